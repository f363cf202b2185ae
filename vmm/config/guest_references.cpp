#include "vmm/config/cycle.hpp"
#include "vmm/config/guest_entry.hpp"

#include <algorithm>

namespace vmm {

namespace {

using Kind = SerialTarget::Kind;
using Edges = std::vector<std::vector<std::size_t>>;

std::string in_quotes(std::string_view name)
{
    return std::string{"'"}.append(name).append("'");
}

/// The index of the guest of that name; entries.size() when there is none.
std::size_t index_of(std::vector<GuestEntry> const& entries, std::string_view name)
{
    auto const found = std::ranges::find(entries, name, [](auto const& entry) { return entry.options.name; });
    return static_cast<std::size_t>(found - entries.begin());
}

bool same(std::filesystem::path const& one, std::filesystem::path const& other)
{
    return one.lexically_normal() == other.lexically_normal();
}

void check_names(std::vector<GuestEntry> const& entries, std::string const& path)
{
    for (std::size_t n = 0; n < entries.size(); ++n) {
        auto const& name = entries[n].options.name;
        auto const first = index_of(entries, name);
        if (first == n) continue;
        refuse_at(path, entries[n].values.at("name"),
                  "name: the guest in line " + std::to_string(entries[first].where.line) + " is " + in_quotes(name) +
                      " already: choose another name");
    }
}

std::size_t existing(std::vector<GuestEntry> const& entries, std::string const& name, std::string const& path,
                     toml::source_position where, std::string const& key)
{
    auto const index = index_of(entries, name);
    if (index < entries.size()) return index;
    auto complaint = key + ": there is no guest " + in_quotes(name) + ": use ";
    if (key == "parent") complaint += "root, ";
    for (auto const& entry : entries)
        complaint.append(&entry == &entries.front() ? "" : ", ").append(entry.options.name);
    refuse_at(path, where, complaint);
}

/// The value's places belong to the guest with which a cycle begins.
void check_cycle(std::vector<GuestEntry> const& entries, Edges const& edges, std::string const& path,
                 std::string const& key, std::string const& remedy)
{
    auto const cycle = find_cycle(edges);
    if (cycle.empty()) return;
    std::string circle;
    for (auto const index : cycle)
        circle += entries[index].options.name + " -> ";
    circle += entries[cycle.front()].options.name;
    refuse_at(path, entries[cycle.front()].values.at(key), key + ": a cycle: " + circle + ": " + remedy);
}

void check_parents(std::vector<GuestEntry> const& entries, std::string const& path)
{
    Edges edges(entries.size());
    for (std::size_t n = 0; n < entries.size(); ++n) {
        auto const& parent = entries[n].options.parent;
        if (parent.empty()) continue;
        edges[n].push_back(existing(entries, parent, path, entries[n].values.at("parent"), "parent"));
    }
    check_cycle(entries, edges, path, "parent", "one of them must have another parent, or the root");
}

void check_waits(std::vector<GuestEntry> const& entries, std::string const& path)
{
    Edges edges(entries.size());
    for (std::size_t n = 0; n < entries.size(); ++n) {
        auto const& names = entries[n].options.after;
        for (std::size_t i = 0; i < names.size(); ++i) {
            auto const where = entries[n].after[i];
            auto const awaited = existing(entries, names[i], path, where, "after");
            edges[n].push_back(awaited);
            if (entries[awaited].options.ready.kind != ReadySignal::Kind::None) continue;
            refuse_at(path, where,
                      "after: guest " + in_quotes(names[i]) +
                          " has no ready signal to wait for: give it ready = \"synic\" or ready = \"serial:TEXT\"");
        }
    }
    check_cycle(entries, edges, path, "after", "one of them must start without waiting");
}

} // namespace

void settle_consoles(std::vector<GuestEntry>& entries, std::string const& path)
{
    for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
        auto& console = entry->options.serial;
        if (!entry->values.contains("console")) {
            console.kind = entries.size() == 1 ? Kind::Stdio : Kind::Lines;
            continue;
        }
        if (console.kind != Kind::Stdio && console.kind != Kind::File) continue;
        auto const other = std::find_if(entries.begin(), entry, [&](GuestEntry const& earlier) {
            auto const& theirs = earlier.options.serial;
            return earlier.values.contains("console") && theirs.kind == console.kind &&
                   same(theirs.path, console.path);
        });
        if (other == entry) continue;
        refuse_at(path, entry->values.at("console"),
                  "console: guest " + in_quotes(other->options.name) +
                      " has this one already: use another file, lines, " + "pty or none");
    }
}

void check_references(std::vector<GuestEntry> const& entries, std::string const& path)
{
    check_names(entries, path);
    check_parents(entries, path);
    check_waits(entries, path);
}

} // namespace vmm
