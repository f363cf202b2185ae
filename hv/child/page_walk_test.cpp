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
constexpr std::uint64_t nxe = 1U << 11;

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
    PagingRegisters registers{.cr0 = pg, .cr3 = 0x1000 | 0x18, .cr4 = pae, .efer = lma | nxe};
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

namespace {

constexpr std::uint64_t wp = 1U << 16;
constexpr std::uint64_t cd = 1U << 30;
constexpr std::uint64_t smep = 1U << 20;
constexpr std::uint64_t smap = 1U << 21;
constexpr std::uint64_t nx = std::uint64_t{1} << 63;
using enum AccessIntent::Privilege;
using abi::CacheType;
using abi::GvaResult;

/// Four levels that lead to the last table, at 0x4000; what is asked about are its entries.
struct LongTables final : Tables, PageSource {
    PagingRegisters registers{.cr0 = pg | wp, .cr3 = 0x1000, .cr4 = pae, .efer = lma | nxe, .physical_bits = 40};
    GpaAccess access = GpaAccess::ReadWrite;

    LongTables()
    {
        for (std::uint64_t table = 0x1000; table < 0x4000; table += 0x1000)
            put<std::uint64_t>(table, 0, table + 0x1000 + 7);
    }
    [[nodiscard]] Page find(std::uint64_t page) const override
    {
        auto* const host = memory.page(Gpa{page * page_size});
        return {host != nullptr, page == 4 ? access : GpaAccess::ReadWrite, host};
    }
    [[nodiscard]] Translation of(std::uint64_t entry, AccessIntent const& intent = {}, std::uint64_t linear = 0x5678)
    {
        put<std::uint64_t>(0x4000, 5, entry);
        return translate(*this, registers, linear, intent).value();
    }
    [[nodiscard]] GvaResult code(std::uint64_t entry, AccessIntent const& intent = {})
    {
        return of(entry, intent).code;
    }
    [[nodiscard]] std::uint64_t entry(std::uint64_t table = 0x4000, std::uint64_t index = 5) const
    {
        std::uint64_t out = 0;
        std::memcpy(&out, ram.data() + table + index * sizeof out, sizeof out);
        return out;
    }
};

} // namespace

TEST_CASE("rights of pages, by levels of privilege (Intel SDM 4.6)", "[children][paging]")
{
    LongTables tables;
    constexpr auto granted = GvaResult::Success;
    constexpr auto refused = GvaResult::PrivilegeViolation;
    CHECK(tables.code(7, {.read = true, .write = true, .execute = true, .privilege = User}) == granted);
    CHECK(tables.code(3, {.read = true, .privilege = User}) == refused);
    CHECK(tables.code(5, {.read = true, .privilege = User}) == granted);
    CHECK(tables.code(5, {.write = true, .privilege = User}) == refused);
    CHECK(tables.code(1, {.write = true, .privilege = Supervisor}) == refused);
    CHECK(tables.code(1, {.write = true, .privilege = Exempt}) == refused);
    CHECK(tables.code(7 | nx, {.read = true, .privilege = User}) == granted);
    CHECK(tables.code(7 | nx, {.execute = true, .privilege = User}) == refused);
    tables.registers.cr0 &= ~wp;
    CHECK(tables.code(1, {.write = true, .privilege = Supervisor}) == granted);
    CHECK(tables.code(5, {.write = true, .privilege = User}) == refused);

    tables.registers.cr4 |= smep | smap;
    CHECK(tables.code(7, {.execute = true, .privilege = Supervisor}) == refused);
    CHECK(tables.code(3, {.execute = true, .privilege = Supervisor}) == granted);
    CHECK(tables.code(7, {.read = true, .privilege = Supervisor}) == granted);
    CHECK(tables.code(7, {.read = true, .privilege = Supervisor, .smap = true}) == refused);
    CHECK(tables.code(7, {.read = true, .execute = true, .privilege = Exempt, .smap = true}) == granted);
    tables.put<std::uint64_t>(0x2000, 0, 0x3000 + 3); // each level restricts
    CHECK(tables.code(7, {.read = true, .privilege = User}) == refused);
    CHECK(tables.code(7, {.read = true, .privilege = Supervisor, .smap = true}) == granted);
    tables.put<std::uint64_t>(0x2000, 0, nx | (0x3000 + 7));
    CHECK(tables.code(7, {.execute = true, .privilege = User}) == refused);
}

TEST_CASE("reserved bits and addresses out of range (TLFS 2.0a 12.4.4)", "[children][paging]")
{
    LongTables tables;
    constexpr auto reserved = GvaResult::InvalidPageTableFlags;
    CHECK(tables.code(std::uint64_t{1} << 40 | 1) == reserved);
    CHECK(tables.code(std::uint64_t{1} << 39 | 1) == GvaResult::Success);
    CHECK(tables.code(std::uint64_t{1} << 52 | 1) == GvaResult::Success); // is ignored
    CHECK(tables.code(std::uint64_t{1} << 40) == GvaResult::PageNotPresent);
    CHECK(tables.of(1, {}, std::uint64_t{1} << 47).code == GvaResult::PageNotPresent);
    CHECK(tables.of(1, {}, 0x6000).code == GvaResult::PageNotPresent);
    tables.registers.efer = lma;
    CHECK(tables.code(nx | 1) == reserved);
    tables.put<std::uint64_t>(0x1000, 0, 0x2087);
    CHECK(tables.code(1) == reserved); // no page is so large
    tables.put<std::uint64_t>(0x1000, 0, 0x2007);
    tables.put<std::uint64_t>(0x3000, 0, 0x2087);
    CHECK(tables.code(1) == reserved); // a large page begins at a multiple of its size
    tables.put<std::uint64_t>(0x3000, 0, 0x1087);
    CHECK(tables.of(1).gpa == Gpa{0x5678}); // that is the bit PAT
    tables.put<std::uint64_t>(0x3000, 0, 0x10'0007);
    auto const nowhere = tables.of(1);
    CHECK(nowhere.code == GvaResult::GpaUnmapped);
    CHECK(nowhere.gpa.value / page_size == 0x100);

    Tables narrow;
    PagingRegisters const registers{.cr0 = pg, .cr3 = 0x1000, .cr4 = pse, .physical_bits = 36};
    narrow.put<std::uint32_t>(0x1000, 0, 0x81 | 1U << 21);
    narrow.put<std::uint32_t>(0x1000, 1, 0x81 | 1U << 17);
    narrow.put<std::uint32_t>(0x1000, 2, 0x81 | 1U << 16);
    CHECK_FALSE(narrow.at(registers, 0));
    CHECK_FALSE(narrow.at(registers, 0x40'0000));
    CHECK(narrow.at(registers, 0x80'0000) == Gpa{std::uint64_t{1} << 35});
    PagingRegisters const wide{.cr0 = pg, .cr3 = 0x1000, .cr4 = pae};
    narrow.put<std::uint64_t>(0x1000, 1, 0x2003); // a pointer has no rights
    narrow.put<std::uint64_t>(0x2000, 0, 0x83);
    CHECK_FALSE(narrow.at(wide, 0x4000'0000));
    narrow.put<std::uint64_t>(0x1000, 1, 0x2001);
    CHECK(narrow.at(wide, 0x4000'0000) == Gpa{0});
}

TEST_CASE("a walk sets the bits Accessed and Dirty as it comes by (TLFS 2.0a 12.4.4)", "[children][paging]")
{
    LongTables tables;
    constexpr std::uint64_t a = 1U << 5;
    constexpr std::uint64_t d = 1U << 6;
    CHECK(tables.code(7, {.read = true}) == GvaResult::Success);
    CHECK(tables.entry() == 7);
    CHECK(tables.code(1, {.write = true, .set_marks = true}) == GvaResult::PrivilegeViolation);
    CHECK(tables.entry() == 1);
    CHECK(tables.entry(0x1000, 0) == (0x2007 | a)); // and they stay
    CHECK(tables.code(7, {.read = true, .set_marks = true}) == GvaResult::Success);
    CHECK(tables.entry() == (7 | a));
    CHECK(tables.code(7, {.write = true, .set_marks = true}) == GvaResult::Success);
    CHECK(tables.entry() == (7 | a | d));
    CHECK(tables.entry(0x3000, 0) == (0x4007 | a));

    tables.access = GpaAccess::Read;
    CHECK(tables.code(7 | a, {.read = true, .set_marks = true}) == GvaResult::Success);
    auto const refused = tables.of(7 | a, {.write = true, .set_marks = true});
    CHECK(refused.code == GvaResult::GpaNoWriteAccess);
    CHECK(refused.gpa.value / page_size == 4);
    tables.access = GpaAccess::None;
    CHECK(tables.code(7) == GvaResult::GpaNoReadAccess);

    PagingRegisters const registers{.cr0 = pg, .cr3 = 0x5000};
    tables.put<std::uint32_t>(0x5000, 0, 0x6003);
    tables.put<std::uint32_t>(0x6000, 1, 0x7003);
    tables.put<std::uint32_t>(0x6000, 2, 0xFFFF'FFFE);
    AccessIntent const marking{.write = true, .set_marks = true};
    CHECK(translate(tables, registers, 0x1000, marking)->gpa == Gpa{0x7000});
    CHECK(tables.entry(0x5000, 0) == (0x6003 | a));
    CHECK(tables.entry(0x6000, 0) >> 32 == (0x7003 | a | d));
    CHECK(tables.entry(0x6000, 1) == 0xFFFF'FFFE);
}

TEST_CASE("the cache type of a page is the PAT's (Intel SDM 11.12)", "[children][paging]")
{
    LongTables tables;
    tables.registers.pat = 0x0001'0504'0007'0406;
    CHECK(tables.of(1).cache == CacheType::WriteBack);
    CHECK(tables.of(1 | 1 << 3).cache == CacheType::WriteThrough);
    CHECK(tables.of(1 | 1 << 4).cache == CacheType::Uncached); // UC-
    CHECK(tables.of(1 | 1 << 7 | 1 << 3).cache == CacheType::WriteProtected);
    CHECK(tables.of(1 | 1 << 7 | 1 << 4).cache == CacheType::WriteCombining);
    tables.registers.cr0 |= cd;
    CHECK(tables.of(1).cache == CacheType::Uncached);
    CHECK(translate(tables, {}, 0x1000, {})->cache == CacheType::WriteBack);
}
