#include "hv/synic/event_ring.hpp"

namespace hv::event_ring {

bool put(std::byte* ring, std::uint8_t& head, std::uint32_t port)
{
    auto* const entries = reinterpret_cast<std::uint32_t*>(ring + offsetof(abi::EventRing, ports));
    if (__atomic_load_n(entries + head, __ATOMIC_ACQUIRE) != 0) return false;
    __atomic_store_n(entries + head, port, __ATOMIC_RELEASE);
    head = static_cast<std::uint8_t>((head + 1U) % abi::EventRing::length);
    return true;
}

void mark_full(std::byte* ring)
{
    auto* const full = reinterpret_cast<std::uint8_t*>(ring + offsetof(abi::EventRing, full));
    __atomic_exchange_n(full, std::uint8_t{1}, __ATOMIC_SEQ_CST);
}

bool must_signal(std::byte* ring)
{
    auto* const masked = reinterpret_cast<std::uint8_t*>(ring + offsetof(abi::EventRing, signal_masked));
    return __atomic_exchange_n(masked, std::uint8_t{1}, __ATOMIC_SEQ_CST) == 0;
}

} // namespace hv::event_ring
