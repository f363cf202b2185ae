/// What the firmware can boot, as the order of it is arranged.
#pragma once

#include "devices/efi/efi.hpp"

namespace efi {

/// A disk or a network card of the guest's. Part of what it stands for.
struct Bootable {
    enum class Kind : uint32_t { Disk, Disc, Network };

    Kind kind;
    uint32_t unit;      ///< counts disks and discs, or network cards
    uint32_t place;     ///< among those to boot from, the lowest first; 0: it has none
    void const* path;   ///< a device path, of an entry that boots it
    uint16_t path_size; ///< bytes, with its end
    uint16_t own_size;  ///< of these, what the path of any entry for it begins with
    BlockIo* blocks;    ///< of a disk or a disc; else nullptr
    Bootable* next;     ///< of the guest's
};

} // namespace efi
