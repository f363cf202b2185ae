/// The example of docs/configuration.md, and what that page says of all keys.
#include "hv/cpuid/privileges.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/config/config_file.hpp"
#include "vmm/host/testing/contains.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace {

using vmm::testing::Contains;

std::string const documents = PORTHOLE_DOCUMENTS;

std::string content(std::string const& name)
{
    std::ifstream in{documents + "/" + name};
    REQUIRE(in);
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::vector<std::string_view> names_of(std::span<hv::RightName const> table)
{
    std::vector<std::string_view> names(table.size());
    std::ranges::transform(table, names.begin(), &hv::RightName::name);
    return names;
}

} // namespace

TEST_CASE("the example of the documentation is what it says", "[config]")
{
    auto const privileges = names_of(hv::privilege_names());
    auto const features = names_of(hv::feature_names());
    auto const guests = vmm::read_config(documents + "/two-guests.toml", {privileges, features});
    REQUIRE(guests.size() == 2);
    CHECK(guests[0].name == "server");
    CHECK_THAT(guests[0].kernel, Contains("guest-tests/puppet.elf"));
    CHECK(guests[0].ready.text == "open");
    CHECK(guests[1].name == "client");
    CHECK(guests[1].parent == "server");
    CHECK(guests[1].after == std::vector<std::string>{"server"});
}

TEST_CASE("the page shows the example as it is", "[config]")
{
    std::istringstream lines{content("two-guests.toml")};
    std::string shown;
    for (std::string line; std::getline(lines, line);)
        shown += (line.empty() ? "" : "    ") + line + "\n";
    CHECK_THAT(content("configuration.md"), Contains(shown));
}

TEST_CASE("the page and the manual page name every key", "[config]")
{
    // The complaint about a key that does not exist lists those that do.
    std::string listed;
    try {
        (void)vmm::parse_config("[[guest]]\nbogus = 1\n", "x", {});
    } catch (vmm::UserError const& e) {
        listed = e.what();
    }
    auto const page = content("configuration.md");
    auto manual = content("porthole.1");
    std::erase(manual, '\\');

    std::istringstream keys{listed.substr(listed.find("use ") + 4)};
    unsigned count = 0;
    for (std::string key; std::getline(keys, key, ',');) {
        key.erase(0, key.find_first_not_of(' '));
        CHECK_THAT(page, Contains("\n| `" + key + "` |"));
        CHECK_THAT(manual, Contains(key));
        ++count;
    }
    CHECK(count == 32);
}
