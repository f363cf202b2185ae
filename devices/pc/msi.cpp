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

Msi::Msi(unsigned vectors, MsiSink& sink) : vectors_{vectors}, sink_{sink}
{
    if (!std::has_single_bit(vectors) || vectors > 32) throw std::logic_error{"MSI has 1, 2, 4, 8, 16 or 32 vectors"};
}

bool Msi::is_enabled() const
{
    return (control_ & enable) != 0;
}

bool Msi::enabled() const
{
    std::lock_guard const guard{lock_};
    return is_enabled();
}

/// A guest that gives more than there are gets what there is.
unsigned Msi::allowed() const
{
    auto const given = 1U << ((control_ & allowed_mask) >> allowed_shift);
    return given < vectors_ ? given : vectors_;
}

void Msi::raise(unsigned vector)
{
    std::lock_guard const guard{lock_};
    if (!is_enabled()) return;
    pending_ |= 1U << vector % allowed();
    send_pending();
}

void Msi::send_pending()
{
    if (!is_enabled() || !bus_master_) return;
    for (auto due = pending_ & ~mask_; due != 0; due &= due - 1) {
        auto const vector = static_cast<unsigned>(std::countr_zero(due));
        sink_.send({address_, (data_ & ~(allowed() - 1)) | vector});
    }
    pending_ &= mask_;
}

std::uint32_t Msi::read(unsigned dword) const
{
    std::lock_guard const guard{lock_};
    switch (dword) {
    case Control:
        return control_ | static_cast<std::uint32_t>(std::countr_zero(vectors_)) << capable_shift | is_64bit |
               has_masks;
    case Address: return static_cast<std::uint32_t>(address_);
    case UpperAddress: return static_cast<std::uint32_t>(address_ >> 32);
    case Data: return data_;
    case Mask: return mask_;
    case Pending: return pending_;
    default: return 0;
    }
}

void Msi::write(unsigned dword, std::uint32_t value, std::uint32_t mask)
{
    std::lock_guard const guard{lock_};
    switch (dword) {
    case Control:
        control_ = pci::merged(control_, value, mask & (enable | allowed_mask));
        if (!is_enabled()) pending_ = 0;
        break;
    case Address:
        address_ =
            (address_ >> 32 << 32) | pci::merged(static_cast<std::uint32_t>(address_), value, mask & address_mask);
        break;
    case UpperAddress:
        address_ = (address_ & 0xFFFF'FFFF) |
                   std::uint64_t{pci::merged(static_cast<std::uint32_t>(address_ >> 32), value, mask)} << 32;
        break;
    case Data: data_ = pci::merged(data_, value, mask & data_mask); break;
    case Mask: mask_ = pci::merged(mask_, value, mask & bits(vectors_)); break;
    default: break;
    }
    send_pending();
}

void Msi::set_bus_master(bool on)
{
    std::lock_guard const guard{lock_};
    bus_master_ = on;
    send_pending();
}

} // namespace devices
