#include "devices/pc/msi.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

namespace devices {

namespace {

constexpr unsigned most_vectors = 2048;
constexpr std::uint64_t page = 4096;

// Message control, in the upper half of the capability's first dword.
constexpr std::uint32_t enable = 1U << 31;
constexpr std::uint32_t function_mask = 1U << 30;
constexpr unsigned size_shift = 16; // the number of vectors less one

constexpr std::uint32_t masked = 1; // of an entry's control
constexpr std::uint32_t address_mask = 0xFFFF'FFFC;

enum Dword : unsigned { Control, Table, PendingBits };
enum EntryDword : unsigned { Address, UpperAddress, Data, VectorControl };

/// Table and pending bits in pages of their own, so that a guest may map them apart.
std::uint64_t memory_for(unsigned vectors)
{
    return 2 * std::max(page, std::bit_ceil(std::uint64_t{vectors} * 16));
}

} // namespace

Msix::Registers::Registers(unsigned bar, unsigned vectors, MsiSink& sink)
    : bar_{bar},
      vectors_{vectors},
      memory_size_{memory_for(vectors)},
      sink_{sink},
      state_{0, std::vector(vectors, Entry{0, 0, 0, masked}), std::vector<std::uint32_t>((vectors + 31) / 32)}
{
    if (bar >= pci::bars || vectors == 0 || vectors > most_vectors)
        throw std::logic_error{"MSI-X has 1 to 2048 vectors, in a BAR"};
}

bool Msix::Registers::enabled() const
{
    return (state_.control & enable) != 0;
}

bool Msix::Registers::is_masked(unsigned vector) const
{
    return !bus_master_ || (state_.control & function_mask) != 0 ||
           (state_.table[vector][VectorControl] & masked) != 0;
}

void Msix::Registers::raise(unsigned vector)
{
    if (vector >= vectors_ || !enabled()) return;
    state_.pending[vector / 32] |= 1U << vector % 32;
    send_if_pending(vector);
}

void Msix::Registers::send_if_pending(unsigned vector)
{
    if (!enabled() || !is_pending(vector) || is_masked(vector)) return;
    state_.pending[vector / 32] &= ~(1U << vector % 32);
    auto const& entry = state_.table[vector];
    sink_.send({std::uint64_t{entry[UpperAddress]} << 32 | entry[Address], entry[Data]});
}

void Msix::Registers::send_pending()
{
    for (unsigned vector = 0; vector < vectors_; ++vector)
        send_if_pending(vector);
}

std::uint32_t Msix::Registers::read(unsigned dword) const
{
    switch (dword) {
    case Control: return state_.control | (vectors_ - 1) << size_shift;
    case Table: return bar_;
    case PendingBits: return static_cast<std::uint32_t>(memory_size_ / 2) | bar_;
    default: return 0;
    }
}

void Msix::Registers::write(unsigned dword, std::uint32_t value, std::uint32_t mask)
{
    if (dword != Control) return;
    state_.control = pci::merged(state_.control, value, mask & (enable | function_mask));
    if (!enabled()) std::ranges::fill(state_.pending, 0);
    send_pending();
}

void Msix::Registers::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    if (!visitor.restores()) return;
    state_.control &= enable | function_mask;
    state_.table.resize(vectors_, Entry{0, 0, 0, masked}); // fewer were saved: of another device
    for (auto& entry : state_.table) {
        entry[Address] &= address_mask;
        entry[VectorControl] &= masked;
    }
    state_.pending.resize((vectors_ + 31) / 32);
    if (vectors_ % 32 != 0) state_.pending.back() &= (1U << vectors_ % 32) - 1;
}

void Msix::Registers::set_bus_master(bool on)
{
    if (bus_master_ == on) return;
    bus_master_ = on;
    send_pending();
}

std::uint32_t Msix::Registers::read_memory(std::uint64_t offset) const
{
    auto const dword = offset / 4;
    if (dword < std::uint64_t{vectors_} * entry_dwords)
        return state_.table[dword / entry_dwords][dword % entry_dwords];
    auto const pending = dword - memory_size_ / 2 / sizeof(std::uint32_t);
    return pending < state_.pending.size() ? state_.pending[pending] : 0;
}

std::uint32_t Msix::Memory::read_dword(std::uint64_t offset, unsigned)
{
    return msix_.registers_.lock()->read_memory(offset) >> 8 * (offset % 4);
}

void Msix::Memory::write_dword(std::uint64_t offset, unsigned size, std::uint32_t value)
{
    msix_.registers_.lock()->write_memory(offset, size, value);
}

/// Software may write only dwords and qwords; of less, the bytes named are written. Pending bits are read-only.
void Msix::Registers::write_memory(std::uint64_t offset, unsigned size, std::uint32_t value)
{
    auto const dword = offset / 4;
    if (dword >= std::uint64_t{vectors_} * entry_dwords) return;
    auto const vector = static_cast<unsigned>(dword / entry_dwords);
    auto const shift = 8 * static_cast<unsigned>(offset % 4);
    auto mask = (size >= 4 ? ~0U : (1U << 8 * size) - 1) << shift;
    switch (dword % entry_dwords) {
    case Address: mask &= address_mask; break;
    case VectorControl: mask &= masked; break;
    default: break;
    }
    auto& word = state_.table[vector][dword % entry_dwords];
    word = pci::merged(word, value << shift, mask);
    send_if_pending(vector);
}

} // namespace devices
