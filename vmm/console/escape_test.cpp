#include "hv/testing/catch.hpp"
#include "vmm/console/escape.hpp"

#include <string>

namespace {

using vmm::ConsoleCommand;

struct Fed {
    std::string to_guest;
    std::vector<ConsoleCommand> commands;
};

Fed feed(vmm::EscapeFilter& filter, std::string_view typed)
{
    std::vector<std::byte> to_guest;
    Fed out;
    filter.feed(std::as_bytes(std::span{typed}), to_guest, out.commands);
    for (auto const byte : to_guest)
        out.to_guest += static_cast<char>(byte);
    return out;
}

Fed feed(std::string_view typed)
{
    vmm::EscapeFilter filter;
    return feed(filter, typed);
}

} // namespace

TEST_CASE("what is typed goes to the guest", "[console]")
{
    auto const fed = feed("ls\r\x03\x1a\xff");
    CHECK(fed.to_guest == "ls\r\x03\x1a\xff");
    CHECK(fed.commands.empty());
}

TEST_CASE("the escape key makes commands of the keys behind it", "[console]")
{
    auto const fed = feed("a\x01xb\x01hc");
    CHECK(fed.to_guest == "abc");
    CHECK(fed.commands == std::vector{ConsoleCommand::Quit, ConsoleCommand::Help});
}

TEST_CASE("the escape key can be sent itself, in two ways", "[console]")
{
    CHECK(feed("\x01\x01").to_guest == "\x01");
    CHECK(feed("\x01"
               "a")
              .to_guest == "\x01");
    CHECK(feed("\x01\x01x").to_guest == "\x01x");
    CHECK(feed("\x01\x01x").commands.empty());
}

TEST_CASE("an unknown key behind the escape key is swallowed", "[console]")
{
    auto const fed = feed("\x01zz");
    CHECK(fed.to_guest == "z");
    CHECK(fed.commands.empty());
}

TEST_CASE("a sequence may arrive in pieces", "[console]")
{
    vmm::EscapeFilter filter;
    CHECK(feed(filter, "a\x01").to_guest == "a");
    CHECK(feed(filter, "x").commands == std::vector{ConsoleCommand::Quit});
    CHECK(feed(filter, "x").to_guest == "x");
}
