/// The keys that are struck at the guest's display, as firmware reads them: EFI_SIMPLE_TEXT_INPUT_PROTOCOL and
/// EFI_SIMPLE_TEXT_INPUT_EX_PROTOCOL.
#pragma once

#include "devices/efi/efi.hpp"

namespace efi {

/// Makes them one of the firmware's consoles. Without a display there is nothing to do.
void add_keyboard(BootServices& boot, PciIo& pci);

} // namespace efi
