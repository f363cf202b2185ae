#include "vmm/boot/bios_calls.hpp"

#include "devices/pc/platform.hpp"

#include <array>
#include <cstring>
#include <span>

namespace vmm {

namespace {

namespace platform = devices::platform;

// 16-bit code. The numbers of interrupts, and what they return, are the IBM PC/AT's (its BIOS interface technical
// reference); AH = 0x86 with the carry flag set says "no such function".

constexpr std::array<std::uint8_t, 12> refuse_call{
    0x55,                   // push bp
    0x89, 0xE5,             // mov  bp, sp
    0x80, 0x4E, 0x06, 0x01, // or   byte [bp + 6], 1    ; the carry flag that IRET brings back
    0x5D,                   // pop  bp
    0xB4, 0x86,             // mov  ah, 0x86
    0xCF,                   // iret
};

/// MOV AX, [0x40:offset], which is in the BIOS data area.
constexpr std::array<std::uint8_t, 12> tell_word(std::uint8_t offset)
{
    return {
        0x1E,               // push ds
        0x6A, 0x40,         // push 0x40
        0x1F,               // pop  ds
        0xA1, offset, 0x00, // mov  ax, [offset]
        0x1F,               // pop  ds
        0xCF,               // iret
    };
}

static_assert(platform::reset_control.first == 0xCF9 && platform::reset_control_value == 6);
constexpr std::array<std::uint8_t, 12> restart{
    0xBA, 0xF9, 0x0C, // mov  dx, 0xCF9
    0xB0, 0x06,       // mov  al, 6
    0xEE,             // out  dx, al
    0xF4,             // hlt
    0xEB, 0xFD,       // jmp  to the HLT
};

constexpr std::array<std::uint8_t, 12> ignore{0xCF}; // iret

constexpr std::uint64_t segment_base = 0xF'0000;

/// A handler and its place in the ROM.
struct Handler {
    std::uint16_t offset; ///< in segment 0xF000
    std::array<std::uint8_t, 12> code;
};

constexpr auto rom_offset = static_cast<std::uint16_t>(layout::bios_rom.base.value - segment_base);
constexpr Handler on_interrupt{rom_offset, ignore};
constexpr Handler on_call{rom_offset + 0x10, refuse_call};
constexpr Handler on_equipment{rom_offset + 0x20, tell_word(0x10)};
constexpr Handler on_memory_size{rom_offset + 0x30, tell_word(0x13)};
constexpr Handler on_reset{0xFFF0, restart}; ///< where a processor begins, and old code jumps to restart the machine

/// What stands behind the reset vector's code: the model, by which code knows a PC/AT from its predecessors.
constexpr std::uint64_t model_at = 0xF'FFFE;
constexpr std::byte model_pc_at{0xFC};

struct FarPointer {
    std::uint16_t offset;
    std::uint16_t segment;
};
static_assert(layout::interrupt_table.size == 256 * sizeof(FarPointer));

constexpr bool is_exception_or_irq(unsigned vector)
{
    return vector < 0x10 || (vector >= 0x70 && vector < 0x78);
}

Handler const& handler_of(unsigned vector)
{
    switch (vector) {
    case 0x11: return on_equipment;
    case 0x12: return on_memory_size;
    case 0x18: // no system to boot
    case 0x19: // boot again
        return on_reset;
    default: return is_exception_or_irq(vector) ? on_interrupt : on_call;
    }
}

} // namespace

void write_bios_calls(RamClaims const& claims, hv::GuestMemory const& memory)
{
    for (auto const& handler : {on_interrupt, on_call, on_equipment, on_memory_size, on_reset}) {
        MemoryRange const place{hv::Gpa{segment_base + handler.offset}, handler.code.size()};
        std::memcpy(host_address(memory, place), handler.code.data(), handler.code.size());
    }
    *host_address(memory, {hv::Gpa{model_at}, 1}) = model_pc_at;

    if (!claims.is_free(layout::interrupt_table)) return;
    std::array<FarPointer, 256> table{};
    for (unsigned vector = 0; vector < table.size(); ++vector)
        table[vector] = {handler_of(vector).offset, static_cast<std::uint16_t>(segment_base >> 4)};
    std::memcpy(host_address(memory, layout::interrupt_table), table.data(), sizeof table);
}

} // namespace vmm
