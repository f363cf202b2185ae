#include "devices/firmware/option_rom.hpp"

extern "C" std::byte const porthole_efi_driver_begin[]; // NOLINT(cppcoreguidelines-avoid-c-arrays): what embed.S has
extern "C" std::byte const porthole_efi_driver_end[];   // NOLINT(cppcoreguidelines-avoid-c-arrays)

namespace devices::firmware {

std::span<std::byte const> efi_driver()
{
    return {porthole_efi_driver_begin, porthole_efi_driver_end};
}

} // namespace devices::firmware
