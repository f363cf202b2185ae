#include "devices/pc/port_bus.hpp"

#include <stdexcept>

namespace devices {

void PortBus::map(std::uint16_t first, std::uint16_t count, PortDevice& device)
{
    if (first + count > 0x1'0000) throw std::logic_error{"a device claims an I/O port beyond the last"};
    if (ranges_.size() == 0xFF) throw std::logic_error{"too many devices claim I/O ports"};
    for (unsigned i = 0; i < count; ++i) {
        if (find(static_cast<std::uint16_t>(first + i))) throw std::logic_error{"two devices claim one I/O port"};
    }

    ranges_.push_back({first, &device});
    for (unsigned i = 0; i < count; ++i)
        entry(static_cast<std::uint16_t>(first + i)) = static_cast<std::uint8_t>(ranges_.size());
}

std::uint8_t& PortBus::entry(std::uint16_t port)
{
    auto& number = page_numbers_[port / page_ports];
    if (number == 0) {
        pages_.emplace_back();
        number = static_cast<std::uint8_t>(pages_.size());
    }
    return pages_[number - 1U][port % page_ports];
}

PortBus::Range const* PortBus::find(std::uint16_t port) const
{
    auto const page = page_numbers_[port / page_ports];
    if (page == 0) return nullptr;
    auto const range = pages_[page - 1U][port % page_ports];
    return range == 0 ? nullptr : &ranges_[range - 1U];
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
