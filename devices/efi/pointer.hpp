/// The pointer of the guest's display, as firmware uses one: EFI_ABSOLUTE_POINTER_PROTOCOL.
#pragma once

#include "devices/efi/efi.hpp"

namespace efi {

/// Makes it one of the firmware's pointers. Without a display there is nothing to do.
void add_pointer(BootServices& boot, PciIo& pci);

} // namespace efi
