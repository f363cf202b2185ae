#include "devices/pc/pci_endpoint.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace devices {

namespace {

constexpr std::uint32_t header_mask = 0xFFFF; // cache line size and latency timer

constexpr std::uint32_t size_mask(unsigned size)
{
    return size >= 4 ? ~0U : (1U << 8 * size) - 1;
}

constexpr bool is_bar(unsigned dword)
{
    return dword - pci::first_bar < pci::bars || dword == pci::expansion_rom;
}

} // namespace

PciEndpoint::PciEndpoint(PciIdentity const& identity, PciSlot slot, PciBuses buses)
    : slot_{slot}, configuration_{identity, slot, buses}
{}

PciEndpoint::Configuration::Configuration(PciIdentity const& identity, PciSlot slot, PciBuses buses)
    : identity_{identity}, bars_{buses, slot}
{}

void PciEndpoint::Configuration::add(std::unique_ptr<PciCapability> capability)
{
    auto first = pci::first_capability;
    if (!capabilities_.empty()) first = capabilities_.back().first + capabilities_.back().capability->dwords();
    if (first + capability->dwords() > pci::dwords)
        throw std::logic_error{"a PCI function has too many capabilities"};
    capabilities_.push_back({first, std::move(capability)});
}

Msi& PciEndpoint::add_msi(unsigned vectors, MsiSink& sink)
{
    auto made = std::make_unique<Msi>(vectors, sink);
    auto& msi = *made;
    configuration_.lock()->add(std::move(made));
    return msi;
}

Msix& PciEndpoint::add_msix(unsigned bar, unsigned vectors, MsiSink& sink)
{
    auto made = std::make_unique<Msix>(bar, vectors, sink);
    auto& msix = *made;
    add_bar(bar, {PciBar::Kind::Memory32, msix.memory_size(), &msix.memory()});
    configuration_.lock()->add(std::move(made));
    return msix;
}

std::uint32_t PciEndpoint::config_read(std::uint8_t offset, unsigned)
{
    return configuration_.lock()->read(offset / 4U) >> 8 * (offset % 4U);
}

void PciEndpoint::config_write(std::uint8_t offset, unsigned size, std::uint32_t value)
{
    auto const shift = 8 * (offset % 4U);
    configuration_.lock()->write(offset / 4U, value << shift, size_mask(size) << shift);
}

PciEndpoint::Configuration::Placed const* PciEndpoint::Configuration::capability_at(unsigned dword) const
{
    for (auto const& placed : capabilities_) {
        if (dword - placed.first < placed.capability->dwords()) return &placed;
    }
    return nullptr;
}

/// Its identity, and where the next is.
std::uint32_t PciEndpoint::Configuration::link_of(Placed const& placed) const
{
    auto const next = placed.first + placed.capability->dwords();
    return placed.capability->id() | (capability_at(next) ? next * 4 << 8 : 0);
}

std::uint32_t PciEndpoint::Configuration::read(unsigned dword) const
{
    if (is_bar(dword)) return bars_.read(dword);
    if (auto const* const placed = capability_at(dword))
        return placed->capability->read(dword - placed->first) | (dword == placed->first ? link_of(*placed) : 0);

    switch (dword) {
    case pci::identity: return std::uint32_t{identity_.device} << 16 | identity_.vendor;
    case pci::command_status: return state_.command | (capabilities_.empty() ? 0 : pci::has_capabilities);
    case pci::class_revision: return identity_.class_code << 8 | identity_.revision;
    case pci::header: return state_.header | (identity_.multi_function ? pci::multi_function : 0);
    case pci::subsystem: return std::uint32_t{identity_.subsystem} << 16 | identity_.subsystem_vendor;
    case pci::capabilities: return capabilities_.empty() ? 0 : capabilities_.front().first * 4;
    case pci::interrupt: return state_.interrupt_line; // no pin: interrupts are messages
    default: return 0;
    }
}

void PciEndpoint::Configuration::write(unsigned dword, std::uint32_t value, std::uint32_t mask)
{
    if (is_bar(dword)) return bars_.write(dword, value, mask);
    if (auto const* const placed = capability_at(dword))
        return placed->capability->write(dword - placed->first, value, mask);

    switch (dword) {
    case pci::command_status: return write_command(value, mask);
    case pci::header: state_.header = pci::merged(state_.header, value, mask & header_mask); break;
    case pci::interrupt:
        state_.interrupt_line = static_cast<std::uint8_t>(pci::merged(state_.interrupt_line, value, mask & 0xFF));
        break;
    default: break;
    }
}

/// A function that has no ranges of a kind cannot be told to answer them.
void PciEndpoint::Configuration::write_command(std::uint32_t value, std::uint32_t mask)
{
    auto const writable = pci::bus_master | pci::parity_response | pci::serr_enable | pci::interrupt_disable |
                          (bars_.has_memory() ? pci::decode_memory : 0) | (bars_.has_ports() ? pci::decode_io : 0);
    state_.command = pci::merged(state_.command, value, mask & writable);
    bars_.decode((state_.command & pci::decode_memory) != 0, (state_.command & pci::decode_io) != 0);
    for (auto const& placed : capabilities_)
        placed.capability->set_bus_master((state_.command & pci::bus_master) != 0);
}

void PciEndpoint::Configuration::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    {
        hv::VisitedNode const node{visitor, "bars"};
        bars_.visit(visitor);
    }
    for (auto const& placed : capabilities_) {
        hv::VisitedNode const node{visitor, "capability " + std::to_string(placed.first)};
        placed.capability->visit(visitor);
    }
    if (!visitor.restores()) return;
    state_.header &= header_mask;
    write_command(std::exchange(state_.command, 0), ~0U);
}

} // namespace devices
