#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/control/request.hpp"
#include "vmm/host/testing/contains.hpp"

#include <algorithm>

namespace {

using vmm::UserError;
using vmm::control::Arguments;
using vmm::control::parse_request;
using vmm::control::Request;
using vmm::testing::Contains;

std::string complaint(std::string const& line)
{
    try {
        (void)parse_request(line);
    } catch (UserError const& error) {
        return error.what();
    }
    return "nothing";
}

} // namespace

TEST_CASE("a request names a command, perhaps a guest, and arguments", "[control]")
{
    auto const plain = parse_request(R"({"execute": "status"})");
    CHECK(plain.command == "status");
    CHECK_FALSE(plain.guest);
    CHECK(plain.arguments.values().empty());

    auto const full =
        parse_request(R"( {"guest":"a","arguments":{"disk":"/x,ro","n":"\u00e9"},"execute":"disk-add"} )");
    CHECK(full.command == "disk-add");
    CHECK(full.guest == "a");
    CHECK(full.arguments.values().at("disk") == "/x,ro");
    CHECK(full.arguments.values().at("n") == "é");
}

TEST_CASE("what is no request is refused in one line that says why", "[control]")
{
    CHECK_THAT(complaint(""), Contains("no JSON"));
    CHECK_THAT(complaint("{"), Contains("no JSON"));
    CHECK_THAT(complaint("status"), Contains("no JSON"));
    CHECK_THAT(complaint(R"({"execute": "status"} {})"), Contains("no JSON"));
    CHECK_THAT(complaint("{\"execute\": \"\xff\"}"), Contains("no JSON"));
    CHECK_THAT(complaint(R"("status")"), Contains("no JSON object"));
    CHECK_THAT(complaint("[]"), Contains("no JSON object"));
    CHECK_THAT(complaint("{}"), Contains("names no command"));
    CHECK_THAT(complaint(R"({"execute": 1})"), Contains("'execute' is not a string"));
    CHECK_THAT(complaint(R"({"execute": "x", "guest": null})"), Contains("'guest' is not a string"));
    CHECK_THAT(complaint(R"({"execute": "x", "arguments": []})"), Contains("'arguments' is no JSON object"));
    CHECK_THAT(complaint(R"({"execute": "x", "arguments": {"n": 1}})"), Contains("'n' is not a string"));
    CHECK_THAT(complaint(R"({"execute": "x", "id": 1})"), Contains("a request has no 'id'"));
    auto const odd = complaint("{\"execute\": \"x\", \"" + std::string(1000, 'n') + "\\n\": 1}");
    CHECK(odd.size() < 200);
    CHECK(std::ranges::count(odd, '\n') == 0);
}

TEST_CASE("a request that is nested deeply is refused, however deep it is", "[control]")
{
    auto const deep = [](std::size_t levels) {
        return R"({"execute": "x", "arguments": )" + std::string(levels, '[') + std::string(levels, ']') + "}";
    };
    CHECK_THAT(complaint(deep(2)), Contains("nested too deeply"));
    CHECK_THAT(complaint(deep(30'000)), Contains("nested too deeply"));
    CHECK_THAT(complaint(R"({"execute": "x", "arguments": {"a": {}}})"), Contains("nested too deeply"));
    CHECK_THAT(complaint(std::string(60'000, '[')), Contains("nested too deeply"));
}

TEST_CASE("a key that is given twice is refused, wherever it is", "[control]")
{
    CHECK_THAT(complaint(R"({"execute": "status", "execute": "pause"})"), Contains("the key 'execute' twice"));
    CHECK_THAT(complaint(R"({"execute": "x", "guest": "a", "guest": "a"})"), Contains("the key 'guest' twice"));
    CHECK_THAT(complaint(R"({"execute": "x", "\u0065xecute": "y"})"), Contains("the key 'execute' twice"));
    CHECK_THAT(complaint(R"({"execute": "x", "arguments": {}, "arguments": {}})"), Contains("'arguments' twice"));
    CHECK_THAT(complaint(R"({"execute": "x", "arguments": {"a": "1", "b": "2", "a": "3"}})"),
               Contains("the key 'a' twice"));
    CHECK(complaint(R"({"execute": "x", "arguments": {"execute": "1", "guest": "2"}})") == "nothing");
}

TEST_CASE("a text that would be cut short elsewhere is refused", "[control]")
{
    CHECK_THAT(complaint(R"({"execute": "x", "arguments": {"image": "/a\u0000/b"}})"), Contains("NUL"));
}

TEST_CASE("a command takes the arguments that it knows, and refuses the rest", "[control]")
{
    Arguments arguments{{{"disk", "a"}, {"name", "b"}}};
    CHECK(arguments.take("disk") == "a");
    CHECK_FALSE(arguments.take_optional("size"));
    CHECK_THROWS_WITH(arguments.take("disk"), "the argument 'disk' is missing");
    CHECK_THROWS_WITH(arguments.refuse_rest(), "this command has no argument 'name'");
    CHECK(arguments.take_optional("name") == "b");
    CHECK_NOTHROW(arguments.refuse_rest());
}

TEST_CASE("a request as a line reads as the same request", "[control]")
{
    Request const request{"disk-add", "a \"b\"", Arguments{{{"disk", "x\ny"}}}};
    auto const line = to_line(request);
    CHECK(std::ranges::count(line, '\n') == 1);
    CHECK(line.ends_with('\n'));
    auto const again = parse_request(line);
    CHECK(again.command == request.command);
    CHECK(again.guest == request.guest);
    CHECK(again.arguments.values() == request.arguments.values());
}
