/// A message slot in the guest's SIM page, or a set of event flags in its SIEF page, and the order in which two sides
/// touch it (TLFS 2.0a §14.2.4, §14.3.1, §14.8.3).
#pragma once

#include "hv/abi/message.hpp"

#include <cstddef>
#include <cstdint>

namespace hv::slot {

inline constexpr std::size_t size = sizeof(abi::Message);

/// A type of None means empty. Acquires: what the guest did before it emptied the slot is done.
[[nodiscard]] bool is_empty(std::byte const* slot);

/// Payload first, then the rest of the header, the type last and with release order: the type is what the guest takes
/// as "message there".
void fill(std::byte* slot, abi::Message const& message, bool more_pending);

/// Marks the message in a busy slot: another one waits. The caller looks at the slot again afterwards, because the
/// guest may have emptied it before it could see the mark; the two are ordered against the guest's "empty, then
/// test".
void mark_pending(std::byte* slot);

/// Sets a flag. True when it was clear before.
[[nodiscard]] bool set_flag(std::byte* flags, unsigned flag);

} // namespace hv::slot
