#include "hv/base/guest_memory.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>
#include <vector>

namespace {

alignas(hv::page_size) std::byte low[2 * hv::page_size];
alignas(hv::page_size) std::byte high[hv::page_size];

struct TwoRegions : hv::GuestMemory {
    TwoRegions()
    {
        add({hv::Gpa{0x1'0000'0000}, sizeof high, high});
        add({hv::Gpa{0}, sizeof low, low});
    }
};

} // namespace

TEST_CASE("a range is found only when all of it lies in one region", "[memory]")
{
    TwoRegions const memory;

    CHECK(memory.at(hv::Gpa{0}, sizeof low) == low);
    CHECK(memory.at(hv::Gpa{0x1'0000'0008}, 8) == high + 8);
    CHECK(memory.at(hv::Gpa{2 * hv::page_size - 8}, 8) == low + 2 * hv::page_size - 8);

    CHECK(memory.at(hv::Gpa{2 * hv::page_size - 8}, 16) == nullptr);
    CHECK(memory.at(hv::Gpa{2 * hv::page_size}, 1) == nullptr);
    CHECK(memory.at(hv::Gpa{0xFFFF'FFFF'FFFF'FFF8}, 16) == nullptr);
    CHECK(memory.at(hv::Gpa{0}, ~std::uint64_t{0}) == nullptr);
}

TEST_CASE("what is there from an address on is the rest of its region", "[memory]")
{
    TwoRegions const memory;

    CHECK(memory.from(hv::Gpa{8}).data() == low + 8);
    CHECK(memory.from(hv::Gpa{8}).size() == sizeof low - 8);
    CHECK(memory.from(hv::Gpa{sizeof low}).empty());
    CHECK(hv::GuestMemory{}.from(hv::Gpa{0}).empty());
}

TEST_CASE("regions of guest memory do not overlap", "[memory]")
{
    TwoRegions memory;

    CHECK_THROWS_AS(memory.add({hv::Gpa{hv::page_size}, hv::page_size, low}), std::logic_error);
    CHECK_THROWS_AS(memory.add({hv::Gpa{0x1'0000'0000 - hv::page_size}, 2 * hv::page_size, low}), std::logic_error);
    CHECK_NOTHROW(memory.add({hv::Gpa{0x1'0000'0000 - hv::page_size}, hv::page_size, low}));
    CHECK(memory.regions().size() == 3);
    CHECK(memory.at(hv::Gpa{0x1'0000'0000 - 8}, 8) == low + hv::page_size - 8);
}

TEST_CASE("there may be many regions, and each is found", "[memory]")
{
    constexpr std::uint64_t count = 100;
    std::vector<std::byte> host(count * hv::page_size);
    hv::GuestMemory memory;
    for (std::uint64_t n = 0; n < count; ++n)
        memory.add({hv::Gpa{2 * n * hv::page_size}, hv::page_size, &host[n * hv::page_size]});

    for (std::uint64_t n = 0; n < count; ++n) {
        CHECK(memory.page(hv::Gpa{2 * n * hv::page_size + 5}) == &host[n * hv::page_size]);
        CHECK(memory.page(hv::Gpa{(2 * n + 1) * hv::page_size}) == nullptr);
    }
    memory.replace({});
    CHECK(memory.page(hv::Gpa{0}) == nullptr);
}

TEST_CASE("a structure survives the way out and in", "[memory]")
{
    struct Odd {
        std::uint64_t a;
        std::uint32_t b;
        std::uint8_t c[3];
    };
    TwoRegions const memory;
    Odd const out{0x0123'4567'89AB'CDEF, 42, {1, 2, 3}};
    Odd in{};

    REQUIRE(memory.write(hv::Gpa{0x1'0000'0000}, out));
    REQUIRE(memory.read(hv::Gpa{0x1'0000'0000}, in));
    CHECK(in.a == out.a);
    CHECK(in.b == out.b);
    CHECK(in.c[2] == 3);
    CHECK_FALSE(memory.read(hv::Gpa{0x1'0000'0000 + hv::page_size}, in));
}
