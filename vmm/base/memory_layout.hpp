/// Where RAM of a given size lies in guest-physical space, and what the guest is told about it.
#pragma once

#include "hv/abi/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vmm {

/// [base, base + size), in bytes. Never wraps: every range here lies below max_end.
struct MemoryRange {
    static constexpr std::uint64_t max_end = std::uint64_t{1} << 52;

    hv::Gpa base;
    std::uint64_t size = 0;

    [[nodiscard]] constexpr std::uint64_t end() const { return base.value + size; }
    [[nodiscard]] constexpr bool contains(MemoryRange const& other) const
    {
        return base <= other.base && other.end() <= end();
    }
    [[nodiscard]] constexpr bool overlaps(MemoryRange const& other) const
    {
        return base.value < other.end() && other.base.value < end();
    }
    friend constexpr bool operator==(MemoryRange const&, MemoryRange const&) = default;
};

/// The numbers of ACPI address range types (ACPI 6.5 §15.1), which E820 and PVH memory maps share.
enum class MemoryKind : std::uint32_t {
    ram = 1,
    reserved = 2,
};

/// One entry of the memory map that a guest is given.
struct MemoryMapEntry {
    MemoryRange range;
    MemoryKind kind;
};

namespace layout {

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;
inline constexpr std::uint64_t gib = 1024 * mib;

/// RAM of which the guest is told and in which a boot loader leaves its data: page tables, command line and so on,
/// where the kernel does not lie there itself.
inline constexpr MemoryRange low_ram{hv::Gpa{0}, 0x9'FC00};

/// In there: the vectors of real mode, and the data that a PC's firmware keeps for whoever starts after it.
inline constexpr MemoryRange interrupt_table{hv::Gpa{0}, 0x400};
inline constexpr MemoryRange bios_data{hv::Gpa{0x400}, 0x100};

/// The top of a PC's base memory: more of that data, which the guest sees as reserved.
inline constexpr MemoryRange extended_bios_data{hv::Gpa{0x9'FC00}, 1 * kib};
static_assert(low_ram.end() == extended_bios_data.base.value);

/// The upper part of a PC's BIOS area: RAM that the guest sees as reserved, with the ACPI and SMBIOS tables, the
/// machine's generation ID and the little that there is of a BIOS.
inline constexpr MemoryRange bios_area{hv::Gpa{0xE'0000}, 128 * kib};
inline constexpr MemoryRange acpi_tables{bios_area.base, 88 * kib};
inline constexpr MemoryRange smbios{hv::Gpa{acpi_tables.end()}, 32 * kib};
inline constexpr MemoryRange generation_id{hv::Gpa{smbios.end()}, 4 * kib}; ///< its first 16 bytes
inline constexpr MemoryRange bios_rom{hv::Gpa{generation_id.end()}, 4 * kib};
static_assert(bios_rom.end() == bios_area.end());

/// Where kernels go.
inline constexpr hv::Gpa extended_ram{1 * mib};

/// No RAM here; what does not fit below continues at 4 GiB.
inline constexpr MemoryRange mmio_hole{hv::Gpa{3 * gib}, 1 * gib};

/// MMIO space that VMBus devices share out among themselves (named by the DSDT).
inline constexpr MemoryRange vmbus_mmio{hv::Gpa{0xF000'0000}, 128 * mib};

/// The interrupt controllers: registers, and where interrupts are written to. Where they stand on every PC.
inline constexpr MemoryRange io_apic{hv::Gpa{0xFEC0'0000}, hv::page_size};
inline constexpr MemoryRange local_apics{hv::Gpa{0xFEE0'0000}, 1 * mib};

/// Guest-physical addresses that KVM itself needs on Intel processors without unrestricted guest mode:
/// one page for KVM_SET_IDENTITY_MAP_ADDR, then three for KVM_SET_TSS_ADDR. Below the 16 MiB in which a PC's firmware
/// image may end.
inline constexpr MemoryRange kvm_identity_map{hv::Gpa{0xFEFF'C000}, hv::page_size};
inline constexpr MemoryRange kvm_tss{hv::Gpa{0xFEFF'D000}, 3 * hv::page_size};

/// What Linux adds at a time to the memory that it has, and where: a section (arch/x86/include/asm/sparsemem.h).
inline constexpr std::uint64_t hot_add_block = 128 * mib;

inline constexpr std::uint64_t min_memory = 2 * mib;
inline constexpr std::uint64_t max_memory = 1024 * gib;

} // namespace layout

class MemoryLayout {
  public:
    /// Splits `bytes` of RAM around the MMIO hole, and leaves room for a guest that may come to have `most`; 0 is no
    /// more. Throws UserError when it is less than layout::min_memory, more than layout::max_memory or not a multiple
    /// of the page size.
    explicit MemoryLayout(std::uint64_t bytes, std::uint64_t most = 0);

    /// The RAM to allocate and map, one or two ranges, the first from address 0.
    [[nodiscard]] std::span<MemoryRange const> ram() const { return {ram_.data(), ram_count_}; }

    /// Where RAM may come to lie that is not there at the start: whole blocks of layout::hot_add_block, above all
    /// else.
    [[nodiscard]] MemoryRange const& hot_add() const { return hot_add_; }

    /// What the guest is told: ascending, without overlaps.
    [[nodiscard]] std::span<MemoryMapEntry const> map() const { return {map_.data(), map_count_}; }

    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

    /// The first address behind the RAM below the MMIO hole.
    [[nodiscard]] hv::Gpa low_end() const { return hv::Gpa{ram_[0].end()}; }

  private:
    void tell(MemoryRange const& range, MemoryKind kind) { map_[map_count_++] = {range, kind}; }

    std::uint64_t bytes_;
    std::array<MemoryRange, 2> ram_{};
    MemoryRange hot_add_{};
    std::array<MemoryMapEntry, 6> map_{};
    std::size_t ram_count_ = 0;
    std::size_t map_count_ = 0;
};

} // namespace vmm
