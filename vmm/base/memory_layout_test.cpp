#include "hv/testing/catch.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/base/user_error.hpp"

using vmm::MemoryKind;
using vmm::MemoryLayout;
using vmm::MemoryRange;
using namespace vmm::layout;

TEST_CASE("RAM of every size is split around the MMIO hole", "[layout]")
{
    auto const size =
        GENERATE(2 * mib, 64 * mib, 512 * mib, 3 * gib - 4 * kib, 3 * gib, 3 * gib + 4 * kib, 4 * gib, 64 * gib);
    CAPTURE(size);
    MemoryLayout const memory{size};

    std::uint64_t total = 0;
    for (auto const& range : memory.ram()) {
        total += range.size;
        CHECK_FALSE(range.overlaps(mmio_hole));
    }
    CHECK(total == size);
    CHECK(memory.bytes() == size);
    CHECK(memory.ram()[0].base == hv::Gpa{0});
    CHECK(memory.ram().size() == (size > 3 * gib ? 2U : 1U));
    CHECK(memory.low_end().value == std::min(size, 3 * gib));
}

TEST_CASE("the memory map is ordered, free of overlaps and tells of no RAM that is not there", "[layout]")
{
    auto const size = GENERATE(2 * mib, 64 * mib, 3 * gib, 3 * gib + 4 * kib, 64 * gib);
    CAPTURE(size);
    MemoryLayout const memory{size};

    std::uint64_t ram = 0;
    std::uint64_t end = 0;
    for (auto const& [range, kind] : memory.map()) {
        CHECK(range.base.value >= end);
        CHECK(range.size > 0);
        end = range.end();
        if (kind != MemoryKind::ram) continue;

        ram += range.size;
        CHECK(std::any_of(memory.ram().begin(), memory.ram().end(),
                          [&](MemoryRange const& backed) { return backed.contains(range); }));
    }
    CHECK(ram == size - (extended_ram.value - low_ram.end())); // all but the PC's video and BIOS areas
}

TEST_CASE("what is not RAM to the guest is told so", "[layout]")
{
    auto const reserved = [](MemoryRange const& wanted) {
        MemoryLayout const memory{4 * gib};
        return std::any_of(memory.map().begin(), memory.map().end(), [&](auto const& entry) {
            return entry.kind == MemoryKind::reserved && entry.range.contains(wanted);
        });
    };
    CHECK(reserved(acpi_tables));
    CHECK(reserved(vmm::layout::smbios));
    CHECK(reserved(bios_rom));
    CHECK(reserved(extended_bios_data));
    CHECK(reserved(kvm_identity_map));
    CHECK(reserved(kvm_tss));
    CHECK(mmio_hole.contains(vmbus_mmio));
    CHECK_FALSE(vmbus_mmio.overlaps(kvm_identity_map));
    CHECK(kvm_tss.end() <= 4 * gib - 16 * mib); // where a firmware image may be
}

TEST_CASE("ranges know what they contain and what they overlap", "[layout]")
{
    MemoryRange const range{hv::Gpa{0x1000}, 0x2000};

    CHECK(range.contains({hv::Gpa{0x1000}, 0x2000}));
    CHECK(range.contains({hv::Gpa{0x2FFF}, 1}));
    CHECK_FALSE(range.contains({hv::Gpa{0x0FFF}, 2}));
    CHECK_FALSE(range.contains({hv::Gpa{0x2FFF}, 2}));

    CHECK(range.overlaps({hv::Gpa{0x0FFF}, 2}));
    CHECK(range.overlaps({hv::Gpa{0x2FFF}, 1}));
    CHECK_FALSE(range.overlaps({hv::Gpa{0x0FFF}, 1}));
    CHECK_FALSE(range.overlaps({hv::Gpa{0x3000}, 1}));
}

TEST_CASE("memory that comes later lies in whole blocks above all else", "[layout]")
{
    CHECK(MemoryLayout{64 * mib}.hot_add().size == 0);
    CHECK(MemoryLayout{64 * mib, 64 * mib}.hot_add().size == 0);
    CHECK(MemoryLayout{64 * mib, 65 * mib}.hot_add() == MemoryRange{hv::Gpa{4 * gib}, hot_add_block});
    CHECK(MemoryLayout{gib, 4 * gib}.hot_add() == MemoryRange{hv::Gpa{4 * gib}, 3 * gib});
    CHECK(MemoryLayout{3 * gib + mib, 4 * gib}.hot_add() ==
          MemoryRange{hv::Gpa{4 * gib + hot_add_block}, gib}); // 1,023 MiB are eight blocks
    CHECK(MemoryLayout{gib, 4 * gib}.bytes() == gib);
    CHECK_THROWS_AS((MemoryLayout{gib, max_memory + 4 * kib}), vmm::UserError);
    CHECK_THROWS_AS((MemoryLayout{gib, gib + 1}), vmm::UserError);
}

TEST_CASE("memory that cannot be is refused", "[layout]")
{
    CHECK_THROWS_AS(MemoryLayout{0}, vmm::UserError);
    CHECK_THROWS_AS(MemoryLayout{2 * mib - 4 * kib}, vmm::UserError);
    CHECK_THROWS_AS(MemoryLayout{64 * mib + 1}, vmm::UserError);
    CHECK_THROWS_AS(MemoryLayout{max_memory + 4 * kib}, vmm::UserError);
    CHECK_THROWS_AS(MemoryLayout{~std::uint64_t{0}}, vmm::UserError);
    CHECK_NOTHROW(MemoryLayout{max_memory});
}
