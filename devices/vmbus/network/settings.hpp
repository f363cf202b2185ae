/// What a network card is, and what its guest has set of it.
#pragma once

#include "devices/net/mac_address.hpp"
#include "devices/net/offload.hpp"
#include "devices/vmbus/network/counter.hpp"
#include "devices/vmbus/network/nvsp.hpp"
#include "devices/vmbus/network/rss.hpp"

#include <cstdint>

namespace devices::network {

inline constexpr std::uint64_t link_speed = 10'000'000'000; ///< bits a second; a name for it, not a limit
inline constexpr std::uint32_t usual_frame = 1514;          ///< with the Ethernet header
inline constexpr std::uint32_t largest_mtu_frame = 65535;

/// Fixed for the life of the card.
struct Facts {
    net::MacAddress mac{};
    unsigned max_channels = 1;
    net::SendOffloads backend{}; ///< what frames that the guest sends may leave to do
};

/// Counted on the threads that serve the channels, and the backend's.
struct Traffic {
    Counter frames;
    Counter bytes;
    Counter dropped;   ///< well-formed, but the other side did not take them
    Counter malformed; ///< by the guest; or too long for it
};

/// What each opening of the primary channel starts with, and the guest changes.
struct Settings {
    nvsp::Version version = nvsp::Version::None;
    std::uint32_t ndis_major = 0;
    std::uint32_t ndis_minor = 0;
    std::uint32_t max_frame = usual_frame; ///< with the Ethernet header
    bool coalescing_possible = false;      ///< the guest takes frames in several sections

    bool initialized = false; ///< RNDIS
    std::uint32_t packet_filter = 0;
    net::MacAddress mac{};
    bool send_checksum4 = false;
    bool send_checksum6 = false;
    bool receive_checksum = false;
    bool large_send4 = false;
    bool large_send6 = false;
    bool coalescing4 = false;
    bool coalescing6 = false;
    RssSetting rss{};

    [[nodiscard]] net::ReceiveOffloads receive_offloads() const
    {
        return {receive_checksum, receive_checksum && coalescing4 && coalescing_possible,
                receive_checksum && coalescing6 && coalescing_possible};
    }
};

} // namespace devices::network
