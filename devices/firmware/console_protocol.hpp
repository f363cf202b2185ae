/// What Porthole's EFI driver and the console's mailbox agree on. Both include this; the driver has no C++ library.
#pragma once

#include <stdint.h>

namespace devices::firmware::console {

// The second base address register of the mailbox's function (mailbox_protocol.hpp), 32 bits of memory; only where
// the guest has a display.
inline constexpr uint8_t bar = 1;
inline constexpr uint32_t size = 4096; ///< bytes

// Registers, each a dword, by their offsets.
inline constexpr uint32_t screen_low = 0x00; ///< read: where the video memory lies in the guest's space, now
inline constexpr uint32_t screen_high = 0x04;
inline constexpr uint32_t screen_bytes = 0x08; ///< read: how large it is
inline constexpr uint32_t mode = 0x0C;         ///< width | height << 16; read: the one in effect, 0: another driver's
inline constexpr uint32_t key = 0x10;          ///< read: takes the next stroke; 0: there is none
inline constexpr uint32_t keyboard = 0x14;     ///< written: 1: the driver listens, 0: it has ended; read: which
inline constexpr uint32_t pointer = 0x18;      ///< the same for the pointer
inline constexpr uint32_t report = 0x1C;       ///< read: takes the next of the pointer's reports; 0: there is none
inline constexpr uint32_t report_place = 0x20; ///< read: x | y << 16 of the report that was taken last

inline constexpr uint32_t bytes_per_pixel = 4; ///< blue, green, red and one that means nothing; rows without gaps

// A stroke.
inline constexpr uint32_t stroke_present = 0x8000'0000;
inline constexpr uint32_t stroke_release = 0x0001'0000;
inline constexpr uint32_t stroke_code =
    0xFFFF; ///< of set 1, with its prefix: 0x1E is A, 0xE01D the right Control key

// A report.
inline constexpr uint32_t report_present = 0x8000'0000;
inline constexpr uint32_t report_buttons = 0xFF; ///< that are pressed, from bit 0: left, right, middle
inline constexpr uint32_t most_place = 0x7FFF;   ///< of x and y: the last column, or row, of the screen

} // namespace devices::firmware::console
