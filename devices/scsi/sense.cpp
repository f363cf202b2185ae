#include "devices/scsi/command.hpp"

namespace devices::scsi {

std::array<std::uint8_t, fixed_sense_size> fixed_sense(Sense sense)
{
    constexpr std::uint8_t current_fixed = 0x70;
    constexpr std::uint8_t additional_length = fixed_sense_size - 8;
    auto const code = static_cast<std::uint16_t>(sense.additional);
    std::array<std::uint8_t, fixed_sense_size> data{};
    data[0] = current_fixed;
    data[2] = static_cast<std::uint8_t>(sense.key);
    data[7] = additional_length;
    data[12] = static_cast<std::uint8_t>(code >> 8);
    data[13] = static_cast<std::uint8_t>(code);
    return data;
}

} // namespace devices::scsi
