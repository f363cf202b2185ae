#include "hv/base/guest_memory.hpp"
#include "hv/testing/catch.hpp"

#include <vector>

namespace {

alignas(hv::page_size) std::byte low[2 * hv::page_size];
alignas(hv::page_size) std::byte high[hv::page_size];

hv::GuestMemory two_regions()
{
    hv::GuestMemory memory;
    memory.add({hv::Gpa{0}, sizeof low, low});
    memory.add({hv::Gpa{0x1'0000'0000}, sizeof high, high});
    return memory;
}

} // namespace

TEST_CASE("a range is found only when all of it lies in one region", "[memory]")
{
    auto const memory = two_regions();

    CHECK(memory.at(hv::Gpa{0}, sizeof low) == low);
    CHECK(memory.at(hv::Gpa{0x1'0000'0008}, 8) == high + 8);
    CHECK(memory.at(hv::Gpa{2 * hv::page_size - 8}, 8) == low + 2 * hv::page_size - 8);

    CHECK(memory.at(hv::Gpa{2 * hv::page_size - 8}, 16) == nullptr);
    CHECK(memory.at(hv::Gpa{2 * hv::page_size}, 1) == nullptr);
    CHECK(memory.at(hv::Gpa{0xFFFF'FFFF'FFFF'FFF8}, 16) == nullptr);
    CHECK(memory.at(hv::Gpa{0}, ~std::uint64_t{0}) == nullptr);
}

TEST_CASE("a structure survives the way out and in", "[memory]")
{
    struct Odd {
        std::uint64_t a;
        std::uint32_t b;
        std::uint8_t c[3];
    };
    auto const memory = two_regions();
    Odd const out{0x0123'4567'89AB'CDEF, 42, {1, 2, 3}};
    Odd in{};

    REQUIRE(memory.write(hv::Gpa{0x1'0000'0000}, out));
    REQUIRE(memory.read(hv::Gpa{0x1'0000'0000}, in));
    CHECK(in.a == out.a);
    CHECK(in.b == out.b);
    CHECK(in.c[2] == 3);
    CHECK_FALSE(memory.read(hv::Gpa{0x1'0000'0000 + hv::page_size}, in));
}
