/// Holds docs/tlfs-coverage.md against the code, and both against the list of everything in docs/tlfs-index.txt, so
/// that none of them can drift or leave something out.
#include "hv/abi/msr.hpp"
#include "hv/cpuid/leaves.hpp"
#include "hv/hypercall/call_info.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace hv;
using namespace hv::testing;

namespace {

using Numbers = std::multiset<std::uint32_t>;
using Row = std::vector<std::string>;

std::ifstream document(std::string const& name)
{
    std::ifstream file{std::string{PORTHOLE_DOCUMENTS "/"} + name};
    if (!file) FAIL("docs/" << name << " cannot be read");
    return file;
}

/// The numbers of one kind, "call", "msr" or "leaf".
Numbers index(std::string const& kind)
{
    Numbers numbers;
    auto file = document("tlfs-index.txt");
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line};
        std::string k;
        std::string number;
        words >> k >> number;
        if (k == kind) numbers.insert(static_cast<std::uint32_t>(std::stoul(number, nullptr, 16)));
    }
    return numbers;
}

Row cells(std::string const& line)
{
    Row row;
    std::istringstream text{line.substr(1)};
    for (std::string cell; std::getline(text, cell, '|');) {
        auto const first = cell.find_first_not_of(' ');
        row.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
    }
    return row;
}

/// "0x10, 0x20–0x22" is five numbers less one.
Numbers numbers_in(std::string const& cell)
{
    Numbers numbers;
    std::string const dash = "–";
    for (std::size_t at = 0; (at = cell.find("0x", at)) != std::string::npos;) {
        std::size_t length = 0;
        auto const number = static_cast<std::uint32_t>(std::stoul(cell.substr(at), &length, 16));
        auto const is_end = at >= dash.size() && cell.compare(at - dash.size(), dash.size(), dash) == 0;
        if (is_end && !numbers.empty()) {
            for (auto n = *numbers.rbegin() + 1; n < number; ++n)
                numbers.insert(n);
        }
        numbers.insert(number);
        at += length;
    }
    return numbers;
}

struct Section {
    std::vector<Row> there;   ///< rows of tables that say what there is
    std::vector<Row> refused; ///< rows of tables whose head begins with "refused"
};

/// The tables below a heading that begins so, as far as the next heading of any level. Head rows are left out.
Section section(std::string const& heading)
{
    Section found;
    auto file = document("tlfs-coverage.md");
    auto inside = false;
    auto refused = false;
    std::string before;
    for (std::string line; std::getline(file, line); before = line) {
        if (line.starts_with("#")) inside = line.starts_with("## " + heading);
        if (!inside || !line.starts_with("|")) continue;
        auto const head = !before.starts_with("|");
        if (head) refused = line.starts_with("| refused");
        if (head || line.starts_with("|---")) continue;
        (refused ? found.refused : found.there).push_back(cells(line));
    }
    if (found.there.empty() || found.refused.empty()) FAIL("docs/tlfs-coverage.md lacks tables under " << heading);
    return found;
}

Numbers numbers_of(std::vector<Row> const& rows, std::size_t column)
{
    Numbers numbers;
    for (auto const& row : rows)
        numbers.merge(numbers_in(row.at(column)));
    return numbers;
}

Numbers both(Numbers a, Numbers b)
{
    a.merge(b);
    return a;
}

std::string hex(Numbers const& numbers)
{
    std::ostringstream text;
    for (auto const n : numbers)
        text << " 0x" << std::hex << n;
    return text.str();
}

/// Every number once in each of them.
void check_same(Numbers const& a, Numbers const& b)
{
    Numbers only_a;
    Numbers only_b;
    std::ranges::set_difference(a, b, std::inserter(only_a, only_a.end()));
    std::ranges::set_difference(b, a, std::inserter(only_b, only_b.end()));
    INFO("only in the first:" << hex(only_a) << "; only in the second:" << hex(only_b));
    CHECK(a == b);
}

/// How the page says whether a call may be fast, in one word.
std::string fast_form(CallInfo const& call)
{
    auto const smallest = call.input_size + std::size_t{call.kind == CallInfo::Kind::Rep} * call.input_element;
    if (call.output_size != 0 || call.output_element != 0 || smallest > abi::xmm_input_bytes) return "no";
    return call.kind == CallInfo::Kind::Simple && smallest <= abi::fast_input_bytes ? "yes" : "XMM";
}

} // namespace

TEST_CASE("the coverage page names every hypercall once, and those of the call table as answered", "[coverage]")
{
    auto const page = section("Hypercalls");
    check_same(both(numbers_of(page.there, 1), numbers_of(page.refused, 1)), index("call"));

    std::map<std::uint32_t, Row> answered;
    for (auto const& row : page.there)
        answered[*numbers_in(row.at(1)).begin()] = {row.at(0).substr(0, row.at(0).find(" (")), row.at(2),
                                                    row.at(3).substr(0, row.at(3).find_first_of(" ,"))};
    std::map<std::uint32_t, Row> table;
    for (auto const& call : call_table())
        table[static_cast<std::uint32_t>(call.code)] = {call.name, call.section, fast_form(call)};
    CHECK(answered == table);
}

TEST_CASE("the coverage page names every synthetic MSR once, and those that exist as existing", "[coverage]")
{
    auto const page = section("Synthetic MSRs");
    check_same(both(numbers_of(page.there, 1), numbers_of(page.refused, 1)), index("msr"));

    PartitionRegistry registry;
    TestGuest const guest{registry, Rights::root()};
    Numbers exist;
    for (auto n = abi::msr::first; n < abi::msr::first + abi::msr::count; ++n) {
        if (guest.vp(0).read_msr(n)) exist.insert(n);
    }
    check_same(numbers_of(page.there, 1), exist);
}

TEST_CASE("the coverage page names every CPUID leaf once, and those that exist as existing", "[coverage]")
{
    auto const page = section("CPUID");
    check_same(both(numbers_of(page.there, 0), numbers_of(page.refused, 1)), index("leaf"));

    Numbers exist;
    for (auto const& leaf : hypervisor_leaves(Rights::root(), {.max_vps = 1, .physical_address_bits = 40})) {
        exist.insert(leaf.function);
    }
    check_same(numbers_of(page.there, 0), exist);
}
