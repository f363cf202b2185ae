#include "devices/test_devices/debug_console.hpp"

#include <cstddef>

namespace devices {

std::uint32_t DebugConsole::read(std::uint16_t offset, unsigned size)
{
    return offset == 0 && size == 1 ? 0xE9 : 0xFFFF'FFFF;
}

void DebugConsole::write(std::uint16_t offset, unsigned size, std::uint32_t value)
{
    if (offset != 0 || size != 1) return;
    auto const out = static_cast<std::byte>(value);
    sink_.lock()->get().write({&out, 1});
}

} // namespace devices
