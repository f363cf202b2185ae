/// The ring of one SINT in the page of SIRBP: the numbers of ports that have been rung. No text describes it; the
/// order in which the two sides touch it follows from Linux, drivers/hv/mshv_synic.c.
#pragma once

#include "hv/abi/port.hpp"

#include <cstddef>
#include <cstdint>

namespace hv::event_ring {

inline constexpr std::size_t size = sizeof(abi::EventRing);

/// Puts a port at `head`, and moves that on. False, and nothing done, while the guest has not taken out what is
/// there.
[[nodiscard]] bool put(std::byte* ring, std::uint8_t& head, std::uint32_t port);

/// Has the guest tell when it has taken all. Whoever calls it tries `put` once more, because the guest may have taken
/// the last one before it could see the mark.
void mark_full(std::byte* ring);

/// Behind a `put`: true when the guest is to be told. It masks that, until the guest has found nothing more and
/// unmasks it.
[[nodiscard]] bool must_signal(std::byte* ring);

} // namespace hv::event_ring
