#include "devices/pc/pci_bars.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace devices {

namespace {

constexpr unsigned rom_number = pci::bars;
constexpr std::uint64_t smallest_rom = 2048;
constexpr std::uint64_t largest_rom = 16 << 20;
constexpr std::uint64_t all_ports = 0x1'0000;

bool may_be(PciBar const& bar)
{
    if (!std::has_single_bit(bar.size)) return false;
    switch (bar.kind) {
    case PciBar::Kind::Io: return bar.ports && bar.size >= 4 && bar.size <= 256;
    case PciBar::Kind::Memory32: return bar.memory && bar.size >= 16 && bar.size <= std::uint64_t{1} << 31;
    case PciBar::Kind::Memory64: return bar.memory && bar.size >= 16 && bar.size <= std::uint64_t{1} << 51;
    }
    return false;
}

} // namespace

std::uint64_t PciBars::Rom::read(std::uint64_t offset, unsigned size)
{
    std::uint64_t value = 0;
    for (unsigned n = 0; n < size; ++n) {
        auto const byte = offset + n < image_.size() ? std::to_integer<std::uint64_t>(image_[offset + n]) : 0xFF;
        value |= byte << 8 * n;
    }
    return value;
}

std::uint32_t PciBars::Register::flags() const
{
    if (bar.kind == PciBar::Kind::Io) return pci::bar_io;
    return (bar.kind == PciBar::Kind::Memory64 ? pci::bar_64bit : 0) | (bar.prefetchable ? pci::bar_prefetchable : 0);
}

bool PciBars::is_upper_half(unsigned number) const
{
    return number > 0 && number < pci::bars && registers_[number - 1].exists() &&
           registers_[number - 1].bar.kind == PciBar::Kind::Memory64;
}

void PciBars::add(unsigned number, PciBar const& bar)
{
    bool const wide = bar.kind == PciBar::Kind::Memory64;
    if (number + (wide ? 1 : 0) >= pci::bars || !may_be(bar) || is_upper_half(number) ||
        registers_[number].exists() || (wide && registers_[number + 1].exists()))
        throw std::logic_error{"a PCI function has a base address register that cannot be"};

    auto& place = registers_[number];
    place.bar = bar;
    if (bar.kind == PciBar::Kind::Io) {
        place.ports = buses_.ports.window(first_window_ + number, *bar.ports);
        has_ports_ = true;
    } else {
        place.memory = buses_.memory.window(first_window_ + number, *bar.memory);
        has_memory_ = true;
    }
}

void PciBars::add_rom(std::vector<std::byte> image)
{
    auto const size = std::max(std::bit_ceil(std::uint64_t{image.size()}), smallest_rom);
    if (rom_ || size > largest_rom) throw std::logic_error{"a PCI function has a ROM that cannot be"};
    rom_ = std::make_unique<Rom>(std::move(image));
    auto& place = registers_[rom_number];
    place.bar = {PciBar::Kind::Memory32, size, rom_.get()};
    place.memory = buses_.memory.window(first_window_ + rom_number, *rom_);
    has_memory_ = true;
}

std::uint32_t PciBars::read(unsigned dword) const
{
    if (dword == pci::expansion_rom)
        return static_cast<std::uint32_t>(state_.addresses[rom_number]) | (state_.rom_enabled ? pci::rom_enable : 0);
    auto const number = dword - pci::first_bar;
    if (is_upper_half(number)) return static_cast<std::uint32_t>(state_.addresses[number - 1] >> 32);
    auto const& bar = registers_[number];
    return bar.exists() ? static_cast<std::uint32_t>(state_.addresses[number]) | bar.flags() : 0;
}

/// A guest finds out the size by writing all ones: the bits below it stay zero.
void PciBars::write(unsigned dword, std::uint32_t value, std::uint32_t mask)
{
    auto number = dword == pci::expansion_rom ? rom_number : dword - pci::first_bar;
    bool const upper = is_upper_half(number);
    if (upper) --number;
    if (!registers_[number].exists()) return;
    if (number == rom_number && (mask & pci::rom_enable) != 0) state_.rom_enabled = (value & pci::rom_enable) != 0;

    auto& address = state_.addresses[number];
    auto const shift = upper ? 32 : 0;
    auto const half = pci::merged(static_cast<std::uint32_t>(address >> shift), value, mask);
    auto const other = address & ~(std::uint64_t{0xFFFF'FFFF} << shift);
    address = (other | std::uint64_t{half} << shift) & ~(registers_[number].bar.size - 1);
    place(number);
}

void PciBars::decode(bool memory, bool ports)
{
    if (memory == decodes_memory_ && ports == decodes_ports_) return;
    decodes_memory_ = memory;
    decodes_ports_ = ports;
    for (unsigned number = 0; number < registers_.size(); ++number)
        place(number);
}

/// A range of ports beyond the last one is nowhere.
void PciBars::place(unsigned number)
{
    auto& bar = registers_[number];
    auto const address = state_.addresses[number];
    if (!bar.exists()) return;
    if (bar.bar.kind == PciBar::Kind::Io) {
        bool const shows = decodes_ports_ && address + bar.bar.size <= all_ports;
        bar.ports.place(address, shows ? bar.bar.size : 0);
    } else {
        bool const shows = decodes_memory_ && (number != rom_number || state_.rom_enabled);
        bar.memory.place(address, shows ? bar.bar.size : 0);
    }
}

void PciBars::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    if (!visitor.restores()) return;
    for (unsigned number = 0; number < registers_.size(); ++number) {
        auto const& bar = registers_[number].bar;
        auto const possible = bar.kind == PciBar::Kind::Memory64 ? ~std::uint64_t{0} : 0xFFFF'FFFF;
        state_.addresses[number] &= registers_[number].exists() ? possible & ~(bar.size - 1) : 0;
        place(number);
    }
}

} // namespace devices
