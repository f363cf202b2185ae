#include "hv/testing/catch.hpp"
#include "vmm/config/config_file.hpp"
#include "vmm/config/nesting.hpp"
#include "vmm/host/testing/contains.hpp"

#include <string>

namespace {

using vmm::find_nesting;
using vmm::testing::Contains;

std::string repeated(std::string_view part, std::size_t times)
{
    std::string text;
    for (; times > 0; --times)
        text += part;
    return text;
}

bool is_deep(std::string_view text)
{
    return find_nesting(text, 4).has_value();
}

std::string complaint(std::string const& text)
{
    try {
        (void)vmm::parse_config(text, "lab.toml", {});
    } catch (vmm::UserError const& error) {
        return error.what();
    }
    return "nothing";
}

} // namespace

TEST_CASE("each way to nest is seen, and where it goes too far", "[config]")
{
    CHECK_FALSE(
        is_deep("[a.b.c.d]\n[[a.b.c.d]]\na.b.c.d = 1\nk = [[[[1, 2], 3]]]\nk = {a.b.c.d = {e = {f = {}}}}\n"));
    CHECK(is_deep("[a.b.c.d.e]"));
    CHECK(is_deep("[[ a . b . c . d . e ]]"));
    CHECK(is_deep("a.b.c.d.e = 1"));
    CHECK(is_deep("a.\"b\".'c'.\"d\".e = 1"));
    CHECK(is_deep("k = {a.b.c.d.e = 1}"));
    CHECK(is_deep("k = {x = 1, a.b.c.d.e = 1}"));
    CHECK(is_deep("k = [[[[[1]]]]]"));
    CHECK(is_deep("k = [\n[\n[ # a\n[\n[1]]]]]"));
    CHECK(is_deep("k = {a = {a = {a = {a = {}}}}}"));
    CHECK(is_deep("k = [{a = [{a = [1]}]}]"));

    auto const where = find_nesting("é = 1\nä.b.c.d.e = 1", 4);
    REQUIRE(where);
    CHECK(where->line == 2);
    CHECK(where->column == 8);
}

TEST_CASE("what stands in strings and comments nests nothing", "[config]")
{
    CHECK_FALSE(is_deep("# [[[[[[ a.b.c.d.e.f\nk = 'a.b.c.d.e.f[[[[[['\nk = \"[[[[[[\\\"[[[[[.....\"\n"));
    CHECK_FALSE(is_deep("k = \"\"\"\n[[[[[[\n\\\"\"\" ...... \"\"\"\"\"\nk = ''\nk = \"\"\n"));
    CHECK_FALSE(is_deep("k = '''\n[[[[[[ ' '' ......'''''\nk = 1.5\n'a.b.c.d.e.f' = 1\n"));
    CHECK(is_deep("k = '''x'''''\na.b.c.d.e = 1"));
    CHECK(is_deep("k = \"\"\"x\\\"\"\"\"\na.b.c.d.e = 1"));
    CHECK(is_deep("k = ''\na.b.c.d.e = ''"));
    CHECK(is_deep("k = 'x' # '''\na.b.c.d.e = 1"));
}

TEST_CASE("a configuration file that nests deeply is refused in one line, however deep it is", "[config]")
{
    constexpr std::size_t many = 200'000;
    for (auto const& text : {
             "[a" + repeated(".a", many) + "]\n",
             "[[a" + repeated(".a", many) + "]]\n",
             "a" + repeated(".a", many) + " = 1\n",
             "a = " + repeated("[", many) + repeated("]", many) + "\n",
             "a = " + repeated("{a=", many) + "1" + repeated("}", many) + "\n",
             "a = {a" + repeated(".a", many) + " = 1}\n",
             repeated("[a.a.a]\na.a.a = 1\n", 3) + "a = " + repeated("[{a.a=", many) + "1\n",
         }) {
        auto const said = complaint(text);
        CHECK_THAT(said, Contains("lab.toml:") && Contains("nests more than 32 levels deep"));
        CHECK(said.size() < 200);
    }
    CHECK_THAT(complaint("k = [" + repeated("['a', 1.5, {}],", 1'000) + "]\n"), Contains("there is no key 'k'"));
}
