#include "devices/pc/msi.hpp"

#include <bit>
#include <stdexcept>

namespace devices {

namespace {

// Message control, in the upper half of the capability's first dword.
constexpr std::uint32_t enable = 1U << 16;
constexpr unsigned capable_shift = 17; // log2 of the vectors that there are
constexpr unsigned allowed_shift = 20; // log2 of those that the guest gives
constexpr std::uint32_t allowed_mask = 7U << allowed_shift;
constexpr std::uint32_t is_64bit = 1U << 23;
constexpr std::uint32_t has_masks = 1U << 24;

constexpr std::uint32_t address_mask = 0xFFFF'FFFC;
constexpr std::uint32_t data_mask = 0xFFFF;

enum Dword : unsigned { Control, Address, UpperAddress, Data, Mask, Pending };

constexpr std::uint32_t bits(unsigned count)
{
    return count >= 32 ? ~0U : (1U << count) - 1;
}

} // namespace

Msi::Registers::Registers(unsigned vectors, MsiSink& sink) : vectors_{vectors}, sink_{sink}
{
    if (!std::has_single_bit(vectors) || vectors > 32) throw std::logic_error{"MSI has 1, 2, 4, 8, 16 or 32 vectors"};
}

bool Msi::Registers::enabled() const
{
    return (state_.control & enable) != 0;
}

/// A guest that gives more than there are gets what there is.
unsigned Msi::Registers::allowed() const
{
    auto const given = 1U << ((state_.control & allowed_mask) >> allowed_shift);
    return given < vectors_ ? given : vectors_;
}

void Msi::Registers::raise(unsigned vector)
{
    if (!enabled()) return;
    state_.pending |= 1U << vector % allowed();
    send_pending();
}

void Msi::Registers::send_pending()
{
    if (!enabled() || !bus_master_) return;
    for (auto due = state_.pending & ~state_.mask; due != 0; due &= due - 1) {
        auto const vector = static_cast<unsigned>(std::countr_zero(due));
        sink_.send({state_.address, (state_.data & ~(allowed() - 1)) | vector});
    }
    state_.pending &= state_.mask;
}

std::uint32_t Msi::Registers::read(unsigned dword) const
{
    switch (dword) {
    case Control:
        return state_.control | static_cast<std::uint32_t>(std::countr_zero(vectors_)) << capable_shift | is_64bit |
               has_masks;
    case Address: return static_cast<std::uint32_t>(state_.address);
    case UpperAddress: return static_cast<std::uint32_t>(state_.address >> 32);
    case Data: return state_.data;
    case Mask: return state_.mask;
    case Pending: return state_.pending;
    default: return 0;
    }
}

void Msi::Registers::write(unsigned dword, std::uint32_t value, std::uint32_t mask)
{
    switch (dword) {
    case Control:
        state_.control = pci::merged(state_.control, value, mask & (enable | allowed_mask));
        if (!enabled()) state_.pending = 0;
        break;
    case Address:
        state_.address = (state_.address >> 32 << 32) |
                         pci::merged(static_cast<std::uint32_t>(state_.address), value, mask & address_mask);
        break;
    case UpperAddress:
        state_.address = (state_.address & 0xFFFF'FFFF) |
                         std::uint64_t{pci::merged(static_cast<std::uint32_t>(state_.address >> 32), value, mask)}
                             << 32;
        break;
    case Data: state_.data = pci::merged(state_.data, value, mask & data_mask); break;
    case Mask: state_.mask = pci::merged(state_.mask, value, mask & bits(vectors_)); break;
    default: break;
    }
    send_pending();
}

void Msi::Registers::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    state_.control &= enable | allowed_mask;
    state_.address &= ~std::uint64_t{0xFFFF'FFFF} | address_mask;
    state_.data &= data_mask;
    state_.mask &= bits(vectors_);
    state_.pending &= bits(vectors_);
}

void Msi::Registers::set_bus_master(bool on)
{
    bus_master_ = on;
    send_pending();
}

} // namespace devices
