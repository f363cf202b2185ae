#include "hv/testing/catch.hpp"
#include "vmm/console/line_prefix.hpp"
#include "vmm/console/testing/streams.hpp"

namespace {

using vmm::LinePrefix;
using vmm::testing::bytes_of;

/// What comes out of these pieces, the last line's rest included.
std::string prefixed(std::vector<std::string> const& pieces)
{
    LinePrefix lines{"web"};
    std::vector<std::byte> out;
    for (auto const& piece : pieces)
        lines.feed(bytes_of(piece), out);
    lines.finish(out);
    return {reinterpret_cast<char const*>(out.data()), out.size()};
}

} // namespace

TEST_CASE("each line gets its guest's name, in however many parts it comes", "[console]")
{
    CHECK(prefixed({"one\ntwo\n"}) == "web| one\nweb| two\n");
    CHECK(prefixed({"o", "", "ne\nt", "wo", "\n"}) == "web| one\nweb| two\n");
    CHECK(prefixed({"\n\nx\n"}) == "web| \nweb| \nweb| x\n");
    CHECK(prefixed({"a\r\nb\r", "\nc\r\n"}) == "web| a\nweb| b\nweb| c\n");
}

TEST_CASE("a line is given out when it ends, and the last when its guest does", "[console]")
{
    LinePrefix lines{"web"};
    std::vector<std::byte> out;
    lines.feed(bytes_of("login: "), out);
    CHECK(out.empty());
    lines.finish(out);
    CHECK(out.size() == std::string_view{"web| login: \n"}.size());
    out.clear();
    lines.finish(out);
    CHECK(out.empty());
    CHECK(prefixed({}).empty());
}

TEST_CASE("a line that does not end is cut, and costs no more than that", "[console]")
{
    std::string const full(LinePrefix::longest_line, 'x');
    CHECK(prefixed({full + "\n"}) == "web| " + full + "\n");
    CHECK(prefixed({full + "yz\n"}) == "web| " + full + "\nweb| yz\n");
    CHECK(prefixed({full, full, "y"}) == "web| " + full + "\nweb| " + full + "\nweb| y\n");
}

TEST_CASE("no guest can make a line look like another's", "[console]")
{
    CHECK(prefixed({"a\rdb| forged\n"}) == "web| adb| forged\n");
    CHECK(prefixed({"\x1B[2Kdb| forged\n"}) == "web| .[2Kdb| forged\n");
    CHECK(prefixed({"\b\b\x7F\v\f"}) == "web| .....\n");
    CHECK(prefixed({std::string{"a\0b", 3}}) == "web| a.b\n");
    CHECK(prefixed({"tab\there, \xC3\xA4\n"}) == "web| tab\there, \xC3\xA4\n");
}
