/// The messages by which a parent hears of its child's intercepts (TLFS 2.0a chapter 16).
#pragma once

#include "hv/abi/message.hpp"
#include "hv/child/intercept.hpp"
#include "hv/vp/virtual_processor.hpp"

namespace hv {

/// Of the VP as it is now, on its own thread. `type` is what the event is to the parent.
[[nodiscard]] abi::Message intercept_message(VirtualProcessor& vp, abi::MessageType type, Intercept const& intercept);

/// That the VP's intercept message page has one (newest, HvMessageTypeOpaqueIntercept).
[[nodiscard]] abi::Message opaque_message(VirtualProcessor const& vp, PartitionId child);

/// That the VP has ended a level-triggered interrupt (newest, HvMessageTypeX64ApicEoi).
[[nodiscard]] abi::Message eoi_message(VirtualProcessor const& vp, PartitionId child, std::uint8_t vector);

} // namespace hv
