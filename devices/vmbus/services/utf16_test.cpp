#include "devices/vmbus/services/utf16.hpp"
#include "hv/testing/catch.hpp"

#include <vector>

using devices::vmbus::from_utf16;
using devices::vmbus::to_utf16;

namespace {

std::string back(std::u16string const& text)
{
    return from_utf16(std::as_bytes(std::span{text}));
}

} // namespace

TEST_CASE("text goes to UTF-16 and back", "[services][utf16]")
{
    for (std::string const text : {"", "Debian GNU/Linux", "Zürich", "日本", "\U0001F600!"}) {
        CHECK(back(to_utf16(text)) == text);
    }
    CHECK(to_utf16("\U0001F600") == u"\U0001F600");
}

TEST_CASE("UTF-16 ends at a NUL or at the end of its field", "[services][utf16]")
{
    CHECK(back(std::u16string{u"ab\0cd", 5}) == "ab");
    CHECK(from_utf16({}).empty());
    std::vector<std::byte> const odd{std::byte{'a'}, std::byte{0}, std::byte{'b'}};
    CHECK(from_utf16(odd) == "a");
}

TEST_CASE("what is no text becomes replacement characters", "[services][utf16]")
{
    CHECK(back({0xD800}) == "\uFFFD");
    CHECK(back({0xDC00, u'a'}) == "\uFFFDa");
    CHECK(back({0xD800, 0xD800, 0xDC00}) == "\uFFFD\U00010000");
    CHECK(to_utf16("a\x80z") == u"a\uFFFDz");
    CHECK(to_utf16("\xC3") == u"\uFFFD");
    CHECK(to_utf16("\xC0\xAF") == u"\uFFFD");         // longer than need be
    CHECK(to_utf16("\xED\xA0\x80") == u"\uFFFD");     // a surrogate
    CHECK(to_utf16("\xF4\x90\x80\x80") == u"\uFFFD"); // beyond Unicode
}
