#include "devices/pc/port_bus.hpp"

#include <cstdio>
#include <stdexcept>

namespace devices {

namespace {

std::string text(unsigned first, unsigned last)
{
    char buffer[24];
    std::snprintf(buffer, sizeof buffer, "%#x-%#x", first, last);
    return buffer;
}

} // namespace

void PortBus::map(std::uint16_t first, std::uint16_t count, PortDevice& device, std::string owner)
{
    if (first + count > 0x1'0000) throw std::logic_error{"a device claims an I/O port beyond the last"};
    if (ranges_.size() == 0xFF) throw std::logic_error{"too many devices claim I/O ports"};
    auto const last = static_cast<std::uint16_t>(first + count - 1);
    for (unsigned i = 0; i < count; ++i) {
        auto const* const other = find(static_cast<std::uint16_t>(first + i));
        if (other)
            throw std::logic_error{"'" + owner + "' cannot have the I/O ports " + text(first, last) + ": '" +
                                   other->owner + "' has " + text(other->first, other->last)};
    }

    ranges_.push_back({first, last, &device, std::move(owner)});
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

bool PortBus::reach(std::uint16_t port, auto const& access) const
{
    if (auto const* const range = find(port)) {
        access(*range->device, static_cast<std::uint16_t>(port - range->first));
        return true;
    }
    if (windows_.empty()) return false;
    auto const window = windows_.find(port);
    if (!window.contains(port)) return false;
    access(*window.target.device, static_cast<std::uint16_t>(port - window.target.base));
    return true;
}

std::uint32_t PortBus::read(std::uint16_t port, unsigned size) const
{
    std::uint32_t value = 0xFFFF'FFFFU;
    reach(port, [&](PortDevice& device, std::uint16_t offset) { value = device.read(offset, size); });
    return value;
}

void PortBus::write(std::uint16_t port, unsigned size, std::uint32_t value) const
{
    reach(port, [&](PortDevice& device, std::uint16_t offset) { device.write(offset, size, value); });
}

} // namespace devices
