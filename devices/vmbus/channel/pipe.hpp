/// Channels that are pipes of messages: what stands in front of each (Linux include/linux/hyperv.h, vmbuspipe_hdr).
#pragma once

#include <cstdint>

namespace devices::vmbus {

struct PipeHeader {
    std::uint32_t type; ///< `pipe_data`
    std::uint32_t size; ///< of what follows, bytes
};
static_assert(sizeof(PipeHeader) == 8);

inline constexpr std::uint32_t pipe_data = 1;

/// At the start of an offer's user-defined bytes, when it has the flag of a named pipe.
inline constexpr std::uint32_t pipe_mode_message = 4;

} // namespace devices::vmbus
