/// What Porthole's EFI driver and its mailbox agree on. Both include this; the driver has no C++ library.
#pragma once

#include <stdint.h>

namespace devices::firmware::mailbox {

// The PCI function that has the mailbox as its first base address register, 32 bits of memory. Its ID is from the
// range that virtual devices may use for experiments (QEMU docs/specs/pci-ids.rst): no operating system has a driver
// for it.
inline constexpr uint16_t vendor = 0x1AF4;
inline constexpr uint16_t device = 0x10F1;
inline constexpr uint32_t size = 4096; ///< bytes

// Registers, each a dword, by their offsets.
inline constexpr uint32_t address_low = 0x00; ///< of a Request in the guest's RAM: a multiple of 64
inline constexpr uint32_t address_high = 0x04;
inline constexpr uint32_t start = 0x08; ///< written, with anything: begins what the request says
inline constexpr uint32_t state = 0x0C; ///< read: a State
inline constexpr uint32_t units = 0x10; ///< read: how many units there are

enum class State : uint32_t {
    Done = 0, ///< also before the first request
    Busy = 1, ///< what is started meanwhile is not heard
    BadRequest = 2,
    NoUnit = 3,
    WriteProtected = 4,
    Failed = 5, ///< the medium, or the host
};

inline constexpr auto last_state = static_cast<uint32_t>(State::Failed);

enum class Operation : uint32_t {
    Identify = 1, ///< writes a Unit to `buffer`
    Read = 2,     ///< `count` blocks to `buffer`
    Write = 3,
    Flush = 4,
};

struct Request {
    Operation operation;
    uint32_t unit; ///< 0 to units - 1
    uint64_t block;
    uint64_t buffer; ///< in the guest's RAM, in one piece; a multiple of 8
    uint32_t count;
    uint32_t reserved;
};
static_assert(sizeof(Request) == 32);

inline constexpr uint32_t request_alignment = 64;
inline constexpr uint64_t most_bytes = 1U << 20; ///< that one request moves

struct Unit {
    uint8_t instance[16]; ///< the VMBus instance of its controller, as a GUID lies in memory
    uint32_t lun;
    uint32_t block_size; ///< bytes
    uint64_t blocks;
    uint32_t read_only; ///< 0 or 1
    uint32_t disc;      ///< likewise: in a drive, not a disk
    uint32_t place;     ///< among those to boot from, the lowest first; 0: it has none
    uint32_t reserved;
};
static_assert(sizeof(Unit) == 48);

} // namespace devices::firmware::mailbox
