/// What the channels of a controller share.
#pragma once

#include "devices/vmbus/storage/protocol.hpp"
#include "devices/vmbus/storage/units.hpp"
#include "hv/abi/guid.hpp"
#include "hv/vmbus/channel.hpp"

#include <atomic>
#include <cstdint>

namespace devices::storage {

struct ControllerState {
    hv::vmbus::Bus& bus;
    hv::vmbus::Guid const instance;
    std::uint16_t const max_sub_channels;
    Units units{};
    /// What the primary channel has agreed on: sub-channels work once it is there.
    std::atomic<Version> version{Version::None};
};

} // namespace devices::storage
