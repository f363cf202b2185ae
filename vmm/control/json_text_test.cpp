#include "hv/testing/catch.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/control/readable.hpp"

#include <nlohmann/json.hpp>

using nlohmann::json;
using namespace vmm::control;

TEST_CASE("JSON text is one line, also of bytes that are no UTF-8", "[control]")
{
    CHECK(to_text({{"a", "x\ny"}}) == R"({"a":"x\ny"})");
    CHECK(to_text({{"a", "b\xff"}}) == "{\"a\":\"b\xef\xbf\xbd\"}");
}

TEST_CASE("a name in a message is short and printable", "[control]")
{
    CHECK(printable("disk\x1b[2J") == "disk?[2J");
    CHECK(printable(std::string(1000, 'x')).size() < 80);
}

TEST_CASE("a readable answer is an indented tree, and safe for a terminal", "[control]")
{
    CHECK(to_readable({{"b", {{"c", 1}, {"d", true}}}, {"a", "x\x1b[2J"}}) == "a: x?[2J\n"
                                                                              "b:\n"
                                                                              "  c: 1\n"
                                                                              "  d: true\n");
    CHECK(to_readable(json::array({"x", json::object()})) == "0: x\n1:\n");
    CHECK(to_readable(json::object()).empty());
    CHECK(to_readable(3) == "3\n");
}
