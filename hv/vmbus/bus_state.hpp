/// What a guest has made of its VMBus, and of each channel, as it goes elsewhere.
#pragma once

#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/messages.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

namespace hv::vmbus {

/// What the guest has said when it opened a channel.
struct OpenParameters {
    std::uint32_t ring_gpadl = 0;
    std::uint32_t downstream_page = 0;
    std::uint32_t target_vp = 0; ///< or what it has chosen since
    std::array<std::byte, user_defined_bytes> user_data{};

    static constexpr auto fields()
    {
        return std::tuple{StateField{"ring_gpadl", &OpenParameters::ring_gpadl, Shown::Yes},
                          StateField{"downstream_page", &OpenParameters::downstream_page, Shown::Yes},
                          StateField{"target_vp", &OpenParameters::target_vp},
                          StateField{"user_data", &OpenParameters::user_data}};
    }
};

struct ChannelState {
    std::uint32_t number = 0;                ///< 0: it was about to be offered
    std::array<std::uint8_t, 16> instance{}; ///< by which the device elsewhere is found
    std::uint16_t sub_channel = 0;
    bool offered = false;
    bool open = false;
    OpenParameters opened{};

    static constexpr auto fields()
    {
        return std::tuple{StateField{"number", &ChannelState::number},
                          StateField{"instance", &ChannelState::instance},
                          StateField{"sub_channel", &ChannelState::sub_channel},
                          StateField{"offered", &ChannelState::offered},
                          StateField{"open", &ChannelState::open},
                          StateField{"opened", &ChannelState::opened}};
    }
};

/// A guest's wish for a connection of Hyper-V sockets.
struct SocketRequest {
    std::array<std::uint8_t, 16> endpoint{}; ///< the guest's
    std::array<std::uint8_t, 16> service{};  ///< the host's

    static constexpr auto fields()
    {
        return std::tuple{StateField{"endpoint", &SocketRequest::endpoint},
                          StateField{"service", &SocketRequest::service}};
    }
};

struct BusState {
    static constexpr std::size_t most_channels = 2047;
    static constexpr std::size_t most_socket_requests = 256;

    std::uint32_t version = 0; ///< 0: none is agreed upon
    bool offers_requested = false;
    std::vector<std::uint32_t> unreleased{};
    std::uint8_t after_reset = 0;
    Contact contact{};                            ///< to be answered after the reset
    std::vector<SocketRequest> socket_requests{}; ///< without an answer

    static constexpr auto fields()
    {
        return std::tuple{StateField{"version", &BusState::version},
                          StateField{"offers_requested", &BusState::offers_requested},
                          StateField{"unreleased", &BusState::unreleased, Shown::No, most_channels},
                          StateField{"after_reset", &BusState::after_reset},
                          StateField{"contact", &BusState::contact},
                          StateField{"socket_requests", &BusState::socket_requests, Shown::No, most_socket_requests}};
    }
};

} // namespace hv::vmbus
