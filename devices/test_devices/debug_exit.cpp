#include "devices/test_devices/debug_exit.hpp"

#include <utility>

namespace devices {

DebugExit::DebugExit(std::function<void(std::uint32_t)> ended) : ended_{std::move(ended)} {}

std::uint32_t DebugExit::read(std::uint16_t, unsigned)
{
    return 0;
}

void DebugExit::write(std::uint16_t, unsigned size, std::uint32_t value)
{
    auto const written = size >= 4 ? value : value & ((1U << (8 * size)) - 1);
    ended_((written << 1) | 1);
}

} // namespace devices
