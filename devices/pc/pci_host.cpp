#include "devices/pc/pci_host.hpp"

#include <stdexcept>
#include <string>

namespace devices {

namespace {

// CONFIG_ADDRESS: enable, bus, device and function, register.
constexpr std::uint32_t enable = 0x8000'0000;
constexpr std::uint32_t bus_mask = 0x00FF'0000;
constexpr std::uint32_t writable = 0x80FF'FFFC;
constexpr unsigned function_shift = 8;

constexpr std::uint32_t nothing = 0xFFFF'FFFF;

constexpr std::uint32_t bridge_class = 0x0600'0000; // class 06 (bridge), subclass 00 (host), revision 0

constexpr std::uint32_t size_mask(unsigned size)
{
    return size >= 4 ? nothing : (1U << (8 * size)) - 1;
}

constexpr bool fits_dword(std::uint16_t offset, unsigned size)
{
    return offset + size <= 4;
}

constexpr std::uint8_t config_offset(std::uint32_t address, std::uint16_t offset)
{
    return static_cast<std::uint8_t>((address & 0xFCU) + offset);
}

} // namespace

PciHost::PciHost(std::uint32_t bridge) : bridge_{{0x00, bridge}, {0x08, bridge_class}}
{
    add({0, 0}, bridge_);
}

void PciHost::add(PciSlot slot, PciFunction& function)
{
    if (slot.device >= 32 || slot.function >= 8) throw std::logic_error{"there is no such PCI slot"};

    auto& place = functions_[slot.device * 8 + slot.function];
    if (place) throw std::logic_error{"two devices claim one PCI slot"};
    place = &function;
}

PciFunction* PciHost::selected(std::uint32_t address) const
{
    if (!(address & enable) || (address & bus_mask)) return nullptr;
    return functions_[(address >> function_shift) & 0xFF];
}

std::uint32_t PciHost::AddressPort::read(std::uint16_t offset, unsigned size)
{
    return offset == 0 && size == 4 ? host_.address_.load() : nothing;
}

void PciHost::AddressPort::write(std::uint16_t offset, unsigned size, std::uint32_t value)
{
    if (offset == 0 && size == 4) host_.address_ = value & writable;
}

std::uint32_t PciHost::DataPort::read(std::uint16_t offset, unsigned size)
{
    auto const address = host_.address_.load();
    auto* const function = host_.selected(address);
    if (!function || !fits_dword(offset, size)) return nothing & size_mask(size);
    return function->config_read(config_offset(address, offset), size) & size_mask(size);
}

void PciHost::DataPort::write(std::uint16_t offset, unsigned size, std::uint32_t value)
{
    auto const address = host_.address_.load();
    auto* const function = host_.selected(address);
    if (function && fits_dword(offset, size))
        function->config_write(config_offset(address, offset), size, value & size_mask(size));
}

void PciHost::visit(hv::StateVisitor& visitor)
{
    std::uint64_t address = address_;
    visitor.number("address", address);
    address_ = static_cast<std::uint32_t>(address) & writable;
    for (std::size_t n = 0; n < functions_.size(); ++n) {
        if (!functions_[n]) continue;
        hv::VisitedNode const node{visitor, std::to_string(n / 8) + '.' + std::to_string(n % 8)};
        functions_[n]->visit(visitor);
    }
}

} // namespace devices
