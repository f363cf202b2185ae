/// Receive-side scaling: which channel a received frame goes to.
#pragma once

#include "devices/net/frame_headers.hpp"
#include "devices/vmbus/network/ndis.hpp"
#include "devices/vmbus/network/toeplitz.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace devices::network {

struct Rss {
    std::uint32_t hashed;                                     ///< of ndis::rss_hash: what is hashed
    std::array<std::uint16_t, ndis::rss_table_entries> table; ///< channels, by the hash's low bits
    Toeplitz toeplitz;

    /// Nothing for a frame that is not hashed.
    [[nodiscard]] std::optional<std::uint32_t> hash(std::span<std::byte const> start,
                                                    net::FrameHeaders const& headers) const;
    [[nodiscard]] std::uint16_t channel(std::uint32_t hash) const { return table[hash % table.size()]; }
};

} // namespace devices::network
