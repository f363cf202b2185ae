#include "devices/test_devices/pci_test_function.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <tuple>

namespace devices {

namespace {

constexpr PciIdentity identity{.vendor = 0x1AF4, .device = 0x10F0, .class_code = 0xFF'0000};

constexpr std::uint64_t registers_size = 4096;
constexpr std::uint64_t ports_size = 16;
constexpr std::uint64_t bytes_size = 64 * 1024;

// Registers of BAR 0.
constexpr std::uint64_t magic_register = 0x00;
constexpr std::uint64_t scratch_register = 0x04;
constexpr std::uint64_t writes_register = 0x08; ///< how many there were, of any register
constexpr std::uint64_t raise_msi = 0x0C;
constexpr std::uint64_t raise_msix = 0x10;

struct RegisterState {
    std::uint32_t scratch = 0;
    std::uint32_t writes = 0;

    static constexpr auto fields()
    {
        return std::tuple{hv::StateField{"scratch", &RegisterState::scratch},
                          hv::StateField{"writes", &RegisterState::writes}};
    }
};

constexpr std::uint32_t size_mask(unsigned size)
{
    return size >= 4 ? ~0U : (1U << 8 * size) - 1;
}

/// A ROM that nobody runs: its signature, and as many blocks of 512 bytes as it says.
std::vector<std::byte> rom()
{
    std::vector<std::byte> image(512, std::byte{0});
    image[0] = std::byte{0x55};
    image[1] = std::byte{0xAA};
    image[2] = std::byte{1};
    return image;
}

} // namespace

PciTestFunction::PciTestFunction(PciSlot slot, PciBuses buses, MsiSink& interrupts)
    : bytes_{bytes_size},
      endpoint_{identity, slot, buses},
      msi_{endpoint_.add_msi(msi_vectors, interrupts)},
      msix_{endpoint_.add_msix(4, msix_vectors, interrupts)}
{
    endpoint_.add_bar(0, {.kind = PciBar::Kind::Memory32, .size = registers_size, .memory = &registers_});
    endpoint_.add_bar(1, {.kind = PciBar::Kind::Io, .size = ports_size, .ports = &ports_});
    endpoint_.add_bar(2,
                      {.kind = PciBar::Kind::Memory64, .size = bytes_size, .memory = &bytes_, .prefetchable = true});
    endpoint_.add_rom(rom());
}

std::uint32_t PciTestFunction::Registers::read_dword(std::uint64_t offset, unsigned)
{
    auto const shift = 8 * (offset % 4);
    switch (offset & ~std::uint64_t{3}) {
    case magic_register: return magic >> shift;
    case scratch_register: return scratch_.load() >> shift;
    case writes_register: return writes_.load() >> shift;
    default: return 0;
    }
}

void PciTestFunction::Registers::write_dword(std::uint64_t offset, unsigned size, std::uint32_t value)
{
    ++writes_;
    auto const shift = 8 * (offset % 4);
    switch (offset & ~std::uint64_t{3}) {
    case scratch_register: scratch_ = pci::merged(scratch_, value << shift, size_mask(size) << shift); break;
    case raise_msi: device_.msi_.raise(value); break;
    case raise_msix: device_.msix_.raise(value); break;
    default: break;
    }
}

std::uint8_t PciTestFunction::Ports::read_byte(std::uint16_t offset)
{
    return offset < bytes_.size() ? bytes_[offset].load() : 0xFF;
}

void PciTestFunction::Ports::write_byte(std::uint16_t offset, std::uint8_t value)
{
    if (offset < bytes_.size()) bytes_[offset] = value;
}

std::uint64_t PciTestFunction::Bytes::read(std::uint64_t offset, unsigned size)
{
    std::lock_guard const guard{lock_};
    std::uint64_t value = 0;
    std::memcpy(&value, &bytes_[offset], size);
    return value;
}

void PciTestFunction::Bytes::write(std::uint64_t offset, unsigned size, std::uint64_t value)
{
    std::lock_guard const guard{lock_};
    std::memcpy(&bytes_[offset], &value, size);
}

void PciTestFunction::visit(hv::StateVisitor& visitor)
{
    endpoint_.visit(visitor);
    auto const visit = [&](std::string_view name, auto& part) {
        hv::VisitedNode const node{visitor, name};
        part.visit(visitor);
    };
    visit("registers", registers_);
    visit("ports", ports_);
    visit("bytes", bytes_);
}

void PciTestFunction::Registers::visit(hv::StateVisitor& visitor)
{
    RegisterState all{scratch_.load(), writes_.load()};
    hv::visit(visitor, all);
    scratch_.store(all.scratch);
    writes_.store(all.writes);
}

void PciTestFunction::Ports::visit(hv::StateVisitor& visitor)
{
    std::array<std::uint8_t, ports_size> all{};
    std::ranges::copy(bytes_, all.begin());
    visitor.bytes("bytes", all);
    std::ranges::copy(all, bytes_.begin());
}

void PciTestFunction::Bytes::visit(hv::StateVisitor& visitor)
{
    std::lock_guard const guard{lock_};
    visitor.bytes("bytes", {reinterpret_cast<std::uint8_t*>(bytes_.data()), bytes_.size()});
}

} // namespace devices
