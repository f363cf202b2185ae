#include "vmm/boot/bios_data.hpp"

#include "devices/pc/platform.hpp"

#include <array>
#include <cstring>

namespace vmm {

namespace {

namespace platform = devices::platform;

/// The start of the area at 0x400, as IBM's PC/AT technical reference lists it and later firmware (SeaBIOS
/// src/std/bda.h) fills it in. What is not named here is zero: there is no disk, display or parallel port.
struct [[gnu::packed]] BiosData {
    std::array<std::uint16_t, 4> serial_ports; ///< I/O addresses
    std::array<std::uint16_t, 3> parallel_ports;
    std::uint16_t extended_segment; ///< of the EBDA
    std::uint16_t equipment;
    std::uint8_t reserved_12;
    std::uint16_t base_memory; ///< KiB from address 0 up to the EBDA
    std::array<std::uint8_t, 2> reserved_15;
    std::array<std::uint8_t, 3> keyboard_flags;
    std::uint16_t keyboard_head; ///< offsets from 0x400, as are those below
    std::uint16_t keyboard_tail;
    std::array<std::uint8_t, 0x62> reserved_1e;
    std::uint16_t keyboard_start;
    std::uint16_t keyboard_end;
    std::array<std::uint8_t, 0x7C> reserved_84;
};
static_assert(sizeof(BiosData) == layout::bios_data.size);
static_assert(offsetof(BiosData, extended_segment) == 0x0E && offsetof(BiosData, base_memory) == 0x13);
static_assert(offsetof(BiosData, keyboard_head) == 0x1A && offsetof(BiosData, keyboard_start) == 0x80);

constexpr std::uint16_t has_coprocessor = 1U << 1;
constexpr unsigned serial_port_count_shift = 9;

constexpr std::uint16_t keyboard_buffer = 0x1E; ///< 16 words
constexpr std::uint16_t keyboard_buffer_end = 0x3E;

BiosData bios_data()
{
    static_assert(layout::extended_bios_data.base.value % layout::kib == 0);
    BiosData area{};
    area.serial_ports[0] = platform::com1.first;
    area.extended_segment = layout::extended_bios_data.base.value >> 4;
    area.equipment = has_coprocessor | 1U << serial_port_count_shift;
    area.base_memory = layout::low_ram.size / layout::kib;
    area.keyboard_head = area.keyboard_tail = area.keyboard_start = keyboard_buffer;
    area.keyboard_end = keyboard_buffer_end;
    return area;
}

} // namespace

void write_bios_data(RamClaims const& claims, hv::GuestMemory const& memory)
{
    // The extended area begins with its size in KiB. No kernel lies there: it is not RAM to the guest.
    *host_address(memory, layout::extended_bios_data) = std::byte{layout::extended_bios_data.size / layout::kib};

    if (!claims.is_free(layout::bios_data)) return;
    auto const area = bios_data();
    std::memcpy(host_address(memory, layout::bios_data), &area, sizeof area);
}

} // namespace vmm
