/// What the guest says, and how it ends.
#pragma once

#include "runtime/machine.hpp"

namespace guest {

struct Hex {
    u64 value;
};

/// Prints as 0x....
constexpr Hex hex(u64 value)
{
    return {value};
}

void write(char const* text);
void write(char character);
void write(u64 decimal);
void write(Hex number);
inline void write(u32 decimal)
{
    write(u64{decimal});
}
inline void write(unsigned long long decimal)
{
    write(static_cast<u64>(decimal));
}
void write(int decimal);

/// Writes to the first serial port (16550 at 0x3F8), polled. Boot processor only.
template <typename... Parts>
void print(Parts const&... parts)
{
    (write(parts), ...);
}

/// Ends the run through the debug-exit device at port 0xF4: the VMM's exit status becomes (code << 1) | 1. Halts
/// for ever where there is no such device.
[[noreturn]] void exit_machine(u32 code);

} // namespace guest
