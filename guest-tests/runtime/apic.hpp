/// The local APIC in xAPIC mode (Intel SDM vol. 3, chapter "Advanced Programmable Interrupt Controller").
#pragma once

#include "runtime/machine.hpp"

namespace guest::apic {

inline constexpr u8 spurious_vector = 0xFF;
inline constexpr u8 wake_vector = 0xFE;

/// Register offsets in bytes.
inline constexpr u32 id = 0x20;
inline constexpr u32 task_priority = 0x80;
inline constexpr u32 eoi = 0xB0;
inline constexpr u32 spurious = 0xF0;
inline constexpr u32 in_service = 0x100;
inline constexpr u32 requested = 0x200;
inline constexpr u32 command_low = 0x300;
inline constexpr u32 command_high = 0x310;
inline constexpr u32 timer_entry = 0x320;
inline constexpr u32 lint0_entry = 0x350;
inline constexpr u32 lint1_entry = 0x360;
inline constexpr u32 timer_initial = 0x380;
inline constexpr u32 timer_current = 0x390;
inline constexpr u32 timer_divide = 0x3E0;

inline u32 volatile& reg(u32 offset)
{
    return *reinterpret_cast<u32 volatile*>(0xFEE0'0000u + u64{offset});
}

inline void end_of_interrupt()
{
    reg(eoi) = 0;
}

/// Enables this processor's APIC, masks its legacy input, and (boot processor) the two legacy controllers.
void enable();

/// Sends a fixed interrupt, or with one of the others a start-up sequence, to one APIC ID.
void send_interrupt(u32 apic_id, u8 vector);
void send_init(u32 apic_id);
void send_start_up(u32 apic_id, u32 address);

/// One interrupt after `ticks` of the APIC clock; zero stops the timer, periodic or not.
void start_timer(u8 vector, u32 ticks);

/// One interrupt every `ticks`.
void start_periodic_timer(u8 vector, u32 ticks);

/// Whether the vector waits in the request register of this processor's APIC.
[[nodiscard]] bool is_requested(u8 vector);
[[nodiscard]] bool is_in_service(u8 vector);

} // namespace guest::apic
