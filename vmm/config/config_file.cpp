#include "vmm/config/config_file.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/config/config_node.hpp"
#include "vmm/config/guest_entry.hpp"
#include "vmm/config/nesting.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace vmm {

namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20; ///< nobody writes as much about their guests

toml::table parse_toml(std::string_view text, std::string const& path)
{
    constexpr std::size_t deepest = 32; // toml++ recurses, and so does the end of what it has made
    if (auto const where = find_nesting(text, deepest)) {
        refuse_at(path, *where,
                  "this nests more than " + std::to_string(deepest) +
                      " levels deep: a guest has plain keys, whose values are texts, numbers and lists");
    }
    try {
        return toml::parse(text, path);
    } catch (toml::parse_error const& error) {
        auto complaint = std::string{"this is not TOML: "}.append(error.description());
        refuse_at(path, error.source().begin, complaint.append("; https://toml.io describes the notation"));
    }
}

/// The elements of `guest`, the only key that there is at the top.
toml::array const& guest_tables(toml::table const& file, std::string const& path)
{
    for (auto const& [key, value] : file) {
        if (key.str() == "guest") continue;
        refuse_at(path, key.source().begin,
                  "there is no key '" + std::string{key.str()} + "' here: a guest begins with [[guest]]");
    }
    auto const* const guests = file.get("guest");
    if (!guests) refuse_at(path, {1, 1}, "there is no guest: begin one with [[guest]]");
    if (!guests->is_array() || guests->as_array()->empty())
        refuse_at(path, guests->source().begin, "this is no guest: begin each with [[guest]], in double brackets");
    for (auto const& guest : *guests->as_array()) {
        if (!guest.is_table()) refuse_at(path, guest.source().begin, "this is no guest: begin each with [[guest]]");
    }
    return *guests->as_array();
}

} // namespace

std::vector<GuestOptions> parse_config(std::string_view text, std::string const& path, KnownNames const& known)
{
    auto const file = parse_toml(text, path);
    auto const& tables = guest_tables(file, path);
    auto const folder = std::filesystem::path{path}.parent_path();

    std::vector<GuestEntry> entries;
    for (auto const& table : tables)
        entries.push_back(read_guest(*table.as_table(), {path, folder, known}));
    settle_consoles(entries, path);
    check_references(entries, path);

    std::vector<GuestOptions> guests;
    for (auto& entry : entries)
        guests.push_back(std::move(entry.options));
    return guests;
}

std::vector<GuestOptions> read_config(std::string const& path, KnownNames const& known)
{
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    auto const refuse = [&path](std::string const& why) {
        throw UserError{"--config: cannot read '" + path + "': " + why + "; name a configuration file"};
    };

    std::unique_ptr<std::FILE, Close> const file{std::fopen(path.c_str(), "re")};
    if (!file) refuse(devices::os_error(errno));
    std::string text(largest_file + 1, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get()) != 0) refuse(devices::os_error(errno));
    if (text.size() > largest_file) refuse("it has more than 1 MiB");
    return parse_config(text, path, known);
}

} // namespace vmm
