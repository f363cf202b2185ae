#include "hv/testing/catch.hpp"
#include "hv/testing/threads.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/machine/ready_text.hpp"

namespace {

using vmm::ReadyText;
using vmm::testing::bytes_of;

/// Feeds the pieces; the number of the first after which the text was found, counted from 1, or 0.
std::size_t found_in(std::string_view text, std::vector<std::string> const& pieces)
{
    ReadyText matcher{text};
    for (std::size_t n = 0; n < pieces.size(); ++n) {
        if (matcher.feed(bytes_of(pieces[n]))) return n + 1;
    }
    return 0;
}

} // namespace

TEST_CASE("a text is found wherever it stands, and across writes", "[ready]")
{
    CHECK(found_in("ready", {"not yet ready\n"}) == 1);
    CHECK(found_in("ready", {"re", "a", "", "dy"}) == 4);
    CHECK(found_in("ready", {"r", "e", "a", "d", "y"}) == 5);
    CHECK(found_in("ready", {"read", "read", "y"}) == 3);
    CHECK(found_in("ready", {"rea dy", "READY"}) == 0);
    CHECK(found_in("x", {"", "abc", "x"}) == 3);
    CHECK(found_in("a\nb", {"a", "\n", "b"}) == 3);
}

TEST_CASE("a beginning that repeats itself within the text is not missed", "[ready]")
{
    CHECK(found_in("aab", {"aaab"}) == 1);
    CHECK(found_in("abab!", {"ababab!"}) == 1);
    CHECK(found_in("abcabd", {"abcabcab", "d"}) == 2);
    CHECK(found_in("aaaa", {"aaa", "b", "aaaa"}) == 3);
}

TEST_CASE("after a restart the text begins anew", "[ready]")
{
    ReadyText matcher{"ready"};
    CHECK_FALSE(matcher.feed(bytes_of("rea")));
    matcher.reset();
    CHECK_FALSE(matcher.feed(bytes_of("dy")));
    CHECK(matcher.feed(bytes_of("ready")));
    CHECK(matcher.feed(bytes_of("ready"))); // and is found again
}

TEST_CASE("the matcher agrees with a plain search on any text of few letters", "[ready]")
{
    hv::testing::Choices choices{7};
    auto const letters = [&](std::size_t size) {
        std::string text;
        while (text.size() < size)
            text += static_cast<char>('a' + choices.below(2));
        return text;
    };
    for (int round = 0; round < 2000; ++round) {
        auto const wanted = letters(1 + choices.below(6));
        auto const output = letters(choices.below(24));
        auto const cut = choices.below(static_cast<std::uint32_t>(output.size()) + 1);
        auto const found = found_in(wanted, {output.substr(0, cut), output.substr(cut)}) != 0;
        INFO(wanted << " in " << output);
        REQUIRE(found == (output.find(wanted) != std::string::npos));
    }
}
