#include "hv/base/guest_memory.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/firmware/page_buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <span>
#include <string>
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

/// KiB of these that nothing else has (proc(5), /proc/PID/smaps).
std::size_t anonymous(std::span<std::byte const> bytes)
{
    std::ifstream smaps{"/proc/self/smaps"};
    std::size_t total = 0;
    bool within = false;
    for (std::string line; std::getline(smaps, line);) {
        std::uintptr_t begin = 0;
        std::uintptr_t end = 0;
        std::size_t kib = 0;
        if (std::sscanf(line.c_str(), "%zx-%zx ", &begin, &end) == 2)
            within = begin >= reinterpret_cast<std::uintptr_t>(bytes.data()) &&
                     end <= reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size());
        else if (within && std::sscanf(line.c_str(), "Anonymous: %zu kB", &kib) == 1)
            total += kib;
    }
    return total;
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

TEST_CASE("a buffer that takes other content copies only what is other", "[firmware]")
{
    auto content = image(64);
    PageBuffer buffer{content};
    auto const before = anonymous(buffer.bytes());
    buffer.take(content);
    CHECK(anonymous(buffer.bytes()) == before);
    content[30 * page + 5] = std::byte{1};
    content[100 * page] = std::byte{2};
    buffer.take(content);
    CHECK(std::ranges::equal(buffer.bytes(), content));
    CHECK(anonymous(buffer.bytes()) <= before + 2 * page / 1024);
}
