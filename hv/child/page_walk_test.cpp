/// Page tables of each kind of paging (Intel SDM vol. 3 chapter 4).
#include "hv/child/page_walk.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <cstring>
#include <vector>

using namespace hv;

namespace {

constexpr std::uint64_t pg = 1U << 31;
constexpr std::uint64_t pae = 1U << 5;
constexpr std::uint64_t pse = 1U << 4;
constexpr std::uint64_t lma = 1U << 10;

struct Tables {
    alignas(page_size) std::array<std::byte, 8 * page_size> ram{};
    GuestMemory memory;

    Tables() { memory.add({Gpa{0}, ram.size(), ram.data()}); }

    template <typename Entry>
    void put(std::uint64_t table, std::uint64_t index, Entry entry)
    {
        std::memcpy(ram.data() + table + index * sizeof entry, &entry, sizeof entry);
    }
    [[nodiscard]] std::optional<Gpa> at(PagingRegisters const& registers, std::uint64_t linear) const
    {
        return walk(memory, registers, linear);
    }
};

} // namespace

TEST_CASE("without paging a linear address is the physical one", "[children][paging]")
{
    Tables const tables;
    CHECK(tables.at({}, 0x1234'5678) == Gpa{0x1234'5678});
}

TEST_CASE("four levels, with pages of each size, and five", "[children][paging]")
{
    Tables tables;
    PagingRegisters registers{.cr0 = pg, .cr3 = 0x1000 | 0x18, .cr4 = pae, .efer = lma};
    tables.put<std::uint64_t>(0x1000, 0x1FF, 0x2000 | 1);
    tables.put<std::uint64_t>(0x2000, 1, 0x3000 | 1);
    tables.put<std::uint64_t>(0x2000, 2, 0x1'4000'0000 | 0x81);
    tables.put<std::uint64_t>(0x3000, 3, 0x4000 | 1);
    tables.put<std::uint64_t>(0x3000, 4, 0x60'0000 | 0x81);
    tables.put<std::uint64_t>(0x4000, 5, std::uint64_t{1} << 63 | 0xABC'D000 | 1);
    tables.put<std::uint64_t>(0x4000, 6, 0x9'0000 | 1);
    std::uint64_t const top = 0xFFFF'FF80'0000'0000;
    auto const linear = [&](std::uint64_t pointer, std::uint64_t directory, std::uint64_t page) {
        return top | pointer << 30 | directory << 21 | page << 12 | 0x123;
    };
    CHECK(tables.at(registers, linear(1, 3, 5)) == Gpa{0xABC'D123});
    CHECK(tables.at(registers, linear(1, 4, 5)) == Gpa{0x60'5123});
    CHECK(tables.at(registers, linear(2, 4, 5)) == Gpa{0x1'4080'5123});
    CHECK_FALSE(tables.at(registers, linear(1, 3, 7)));
    CHECK_FALSE(tables.at(registers, linear(3, 0, 0)));
    CHECK_FALSE(tables.at(registers, 0x123));

    tables.put<std::uint64_t>(0x5000, 0x1FF, 0x1000 | 1);
    registers.cr3 = 0x5000;
    registers.cr4 |= 1U << 12;
    CHECK(tables.at(registers, linear(1, 3, 5)) == Gpa{0xABC'D123});
    registers.cr3 = 0x10'0000; // beyond memory
    CHECK_FALSE(tables.at(registers, linear(1, 3, 5)));
}

TEST_CASE("PAE: four pointers and two levels", "[children][paging]")
{
    Tables tables;
    PagingRegisters const registers{.cr0 = pg, .cr3 = 0x1020, .cr4 = pae};
    tables.put<std::uint64_t>(0x1020, 3, 0x2000 | 1);
    tables.put<std::uint64_t>(0x2000, 0x1FF, 0x3000 | 1);
    tables.put<std::uint64_t>(0x2000, 1, 0x2'0020'0000 | 0x81);
    tables.put<std::uint64_t>(0x3000, 0x1FF, 0x7'0000'1000 | 1);
    CHECK(tables.at(registers, 0xFFFF'FFFC) == Gpa{0x7'0000'1FFC});
    CHECK(tables.at(registers, 0xC020'0004) == Gpa{0x2'0020'0004});
    CHECK_FALSE(tables.at(registers, 0x1000));
}

TEST_CASE("32-bit paging, and its large pages above 4 GiB", "[children][paging]")
{
    Tables tables;
    PagingRegisters registers{.cr0 = pg, .cr3 = 0x1000, .cr4 = pse};
    tables.put<std::uint32_t>(0x1000, 1, 0x2000 | 1);
    tables.put<std::uint32_t>(0x1000, 2, 0x00C0'0081 | 0x5U << 13);
    tables.put<std::uint32_t>(0x2000, 3, 0xDEAD'B000 | 1);
    CHECK(tables.at(registers, 0x0040'3456) == Gpa{0xDEAD'B456});
    CHECK(tables.at(registers, 0x0080'1234) == Gpa{0x5'00C0'1234});
    CHECK_FALSE(tables.at(registers, 0x0040'2456));
    registers.cr4 = 0;
    CHECK_FALSE(tables.at(registers, 0x0080'1234)); // a table, which is not in memory
}
