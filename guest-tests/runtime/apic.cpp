#include "runtime/apic.hpp"

namespace guest::apic {

namespace {

constexpr u32 masked = 1u << 16;
constexpr u32 software_enable = 1u << 8;
constexpr u32 periodic = 1u << 17;
constexpr u32 divide_by_one = 0xB;
constexpr u32 delivery_init = 5u << 8;
constexpr u32 delivery_start_up = 6u << 8;
constexpr u32 level_assert = 1u << 14;
constexpr u32 delivery_pending = 1u << 12;

/// Moves the two 8259s away from the exception vectors, then masks them.
void silence_legacy_controllers()
{
    constexpr u8 edge_cascade_icw4 = 0x11;
    constexpr u8 mode_8086 = 1;
    out8(0x20, edge_cascade_icw4);
    out8(0x21, 0x20);
    out8(0x21, 1 << 2);
    out8(0x21, mode_8086);
    out8(0xA0, edge_cascade_icw4);
    out8(0xA1, 0x28);
    out8(0xA1, 2);
    out8(0xA1, mode_8086);
    out8(0x21, 0xFF);
    out8(0xA1, 0xFF);
}

void send(u32 apic_id, u32 command)
{
    for (unsigned spin = 0; reg(command_low) & delivery_pending && spin < 1000; ++spin)
        relax();
    reg(command_high) = apic_id << 24;
    reg(command_low) = command;
}

bool test_bit(u32 base, u8 vector)
{
    return reg(base + vector / 32u * 0x10u) >> (vector % 32) & 1;
}

} // namespace

void enable()
{
    if (rdmsr(0x1B) & 1u << 8) silence_legacy_controllers();
    reg(lint0_entry) = masked;
    reg(timer_entry) = masked;
    reg(spurious) = software_enable | spurious_vector;
}

void send_interrupt(u32 apic_id, u8 vector)
{
    send(apic_id, level_assert | vector);
}

void send_init(u32 apic_id)
{
    send(apic_id, level_assert | delivery_init);
}

void send_start_up(u32 apic_id, u32 address)
{
    send(apic_id, level_assert | delivery_start_up | address >> 12);
}

void start_timer(u8 vector, u32 ticks)
{
    reg(timer_divide) = divide_by_one;
    reg(timer_entry) = ticks ? vector : masked;
    reg(timer_initial) = ticks;
}

void start_periodic_timer(u8 vector, u32 ticks)
{
    reg(timer_divide) = divide_by_one;
    reg(timer_entry) = periodic | vector;
    reg(timer_initial) = ticks;
}

bool is_requested(u8 vector)
{
    return test_bit(requested, vector);
}

bool is_in_service(u8 vector)
{
    return test_bit(in_service, vector);
}

} // namespace guest::apic
