#include "devices/port_bus.hpp"

#include <stdexcept>

namespace devices {

void PortBus::map(std::uint16_t first, std::uint16_t count, PortDevice& device)
{
    for (auto const& r : ranges_) {
        if (first < r.first + r.count && r.first < first + count)
            throw std::logic_error{"two devices claim one I/O port"};
    }
    ranges_.push_back({first, count, &device});
}

PortBus::Range const* PortBus::find(std::uint16_t port) const
{
    for (auto const& r : ranges_) {
        if (static_cast<std::uint16_t>(port - r.first) < r.count) return &r;
    }
    return nullptr;
}

std::uint32_t PortBus::read(std::uint16_t port, unsigned size) const
{
    auto const* const range = find(port);
    if (!range) return 0xFFFF'FFFFU;
    return range->device->read(static_cast<std::uint16_t>(port - range->first), size);
}

void PortBus::write(std::uint16_t port, unsigned size, std::uint32_t value) const
{
    if (auto const* const range = find(port))
        range->device->write(static_cast<std::uint16_t>(port - range->first), size, value);
}

} // namespace devices
