#include "hv/base/guest_memory.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/firmware/page_buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

using vmm::firmware::PageBuffer;

namespace {

constexpr auto page = hv::page_size;
constexpr std::byte ones{0xFF};

/// A page of something, and so many of padding, three times.
std::vector<std::byte> image(std::size_t padding)
{
    std::vector<std::byte> bytes(3 * (1 + padding) * page, ones);
    for (std::size_t n = 0; n < 3; ++n)
        std::fill_n(&bytes[n * (1 + padding) * page], page, std::byte{0xA5});
    return bytes;
}

} // namespace

TEST_CASE("a buffer has what it was made of, with and without padding", "[firmware]")
{
    for (std::size_t const padding : {0U, 1U, 15U, 16U, 17U, 40U}) {
        CAPTURE(padding);
        auto const content = image(padding);
        PageBuffer const buffer{content};
        CHECK(std::ranges::equal(buffer.bytes(), content));
    }
}

TEST_CASE("what is written to one place of a buffer's padding is at that place alone", "[firmware]")
{
    auto content = image(64);
    PageBuffer const buffer{content};
    content[30 * page] = buffer.bytes()[30 * page] = std::byte{1};
    content[50 * page + 7] = buffer.bytes()[50 * page + 7] = std::byte{2};
    CHECK(std::ranges::equal(buffer.bytes(), content));
    CHECK(std::ranges::equal(PageBuffer{image(64)}.bytes(), image(64)));
}
