/// A disk of the guest's, as firmware uses one: EFI_BLOCK_IO_PROTOCOL over the mailbox.
#pragma once

#include "devices/efi/bootable.hpp"
#include "devices/efi/device_path.hpp"
#include "devices/efi/efi.hpp"
#include "devices/firmware/mailbox_protocol.hpp"

namespace efi {

/// Its memory is what protocols were installed with, and so stays where it is.
struct Disk {
    BlockIo block_io; ///< first: the protocol's functions find the disk by it
    BlockMedia media;
    DiskPath path;
    Bootable bootable;
    PciIo* mailbox;
    uint32_t unit;
};

/// What one unit is. False when it does not answer.
[[nodiscard]] bool identify(Disk& disk, PciIo& mailbox, uint32_t unit);

} // namespace efi
