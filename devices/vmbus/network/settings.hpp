/// What a network card is, and what its guest has set of it.
#pragma once

#include "devices/net/mac_address.hpp"
#include "devices/net/offload.hpp"
#include "devices/vmbus/network/counter.hpp"
#include "devices/vmbus/network/nvsp.hpp"
#include "devices/vmbus/network/rss.hpp"
#include "hv/base/state.hpp"

#include <cstdint>
#include <tuple>

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

    void visit(hv::StateVisitor& visitor);
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

    static constexpr auto fields()
    {
        constexpr auto shown = hv::Shown::Yes;
        return std::tuple{hv::StateField{"version", &Settings::version},
                          hv::StateField{"ndis_major", &Settings::ndis_major, shown},
                          hv::StateField{"ndis_minor", &Settings::ndis_minor, shown},
                          hv::StateField{"max_frame", &Settings::max_frame, shown},
                          hv::StateField{"coalescing_possible", &Settings::coalescing_possible, shown},
                          hv::StateField{"initialized", &Settings::initialized, shown},
                          hv::StateField{"packet_filter", &Settings::packet_filter, shown},
                          hv::StateField{"mac", &Settings::mac},
                          hv::StateField{"send_checksum4", &Settings::send_checksum4, shown},
                          hv::StateField{"send_checksum6", &Settings::send_checksum6, shown},
                          hv::StateField{"receive_checksum", &Settings::receive_checksum, shown},
                          hv::StateField{"large_send4", &Settings::large_send4, shown},
                          hv::StateField{"large_send6", &Settings::large_send6, shown},
                          hv::StateField{"coalescing4", &Settings::coalescing4, shown},
                          hv::StateField{"coalescing6", &Settings::coalescing6, shown},
                          hv::StateField{"rss", &Settings::rss}};
    }
};

} // namespace devices::network
