/// The guest's display, as firmware uses one: EFI_GRAPHICS_OUTPUT_PROTOCOL over its video memory.
#pragma once

#include "devices/efi/efi.hpp"

namespace efi {

/// Makes the display of this function's second mailbox one of the firmware's consoles. Without one there is nothing
/// to do.
void add_screen(BootServices& boot, PciIo& pci);

} // namespace efi
