#include "devices/firmware/piix4.hpp"

namespace devices::firmware {

void PowerManagementPorts::write(std::uint16_t offset, unsigned size, std::uint32_t value)
{
    constexpr auto control = platform::acpi_pm1a_control.first - platform::acpi_pm.first;
    constexpr std::uint32_t sleep_type = 7U << 10;
    constexpr std::uint32_t sleep_enable = 1U << 13;

    registers_.write(offset, size, value);
    if (offset == control && size == 2 && (value & (sleep_type | sleep_enable)) == sleep_enable) events_.power_off();
}

} // namespace devices::firmware
