#include "runtime/console.hpp"

namespace guest {

namespace {

constexpr u16 serial = 0x3F8;
constexpr u16 line_status = serial + 5;
constexpr u8 transmitter_empty = 0x20;
constexpr u16 debug_exit = 0xF4;

void send(char c)
{
    for (unsigned spin = 0; !(in8(line_status) & transmitter_empty) && spin < 100'000; ++spin)
        relax();
    out8(serial, static_cast<u8>(c));
}

} // namespace

void write(char character)
{
    send(character);
}

void write(char const* text)
{
    while (*text)
        send(*text++);
}

void write(u64 decimal)
{
    char digits[21];
    unsigned length = 0;
    do {
        digits[length++] = static_cast<char>('0' + decimal % 10);
        decimal /= 10;
    } while (decimal);
    while (length)
        send(digits[--length]);
}

void write(int decimal)
{
    if (decimal < 0) send('-');
    write(static_cast<u64>(decimal < 0 ? -static_cast<long>(decimal) : decimal));
}

void write(Hex number)
{
    write("0x");
    bool started = false;
    for (int shift = 60; shift >= 0; shift -= 4) {
        auto const digit = number.value >> shift & 0xF;
        started = started || digit || shift == 0;
        if (started) send("0123456789abcdef"[digit]);
    }
}

void exit_machine(u32 code)
{
    out32(debug_exit, code);
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace guest
