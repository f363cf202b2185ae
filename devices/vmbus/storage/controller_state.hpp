/// What the channels of a controller share.
#pragma once

#include "devices/block/io_budget.hpp"
#include "devices/vmbus/storage/protocol.hpp"
#include "devices/vmbus/storage/units.hpp"
#include "hv/abi/guid.hpp"
#include "hv/vmbus/channel.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace devices::storage {

/// What the host gives a guest's controllers.
struct HostSide {
    /// What their commands may take.
    std::shared_ptr<block::IoBudget> io_memory = std::make_shared<block::IoBudget>();
    /// Keeps the guest's RAM where it is, for commands that outlive the guest.
    std::shared_ptr<void const> guest_ram{};
    /// Hears what goes wrong; any thread.
    std::function<void(std::string const&)> notice{};
};

struct ControllerState {
    hv::vmbus::Bus& bus; ///< while the controller lives
    hv::vmbus::Guid const instance;
    std::uint16_t const max_sub_channels;
    HostSide const host{};
    Units units{};
    /// What the primary channel has agreed on: sub-channels work once it is there.
    std::atomic<Version> version{Version::None};

    [[nodiscard]] hv::vmbus::OfferSpec offer(std::uint16_t sub_channel) const
    {
        hv::vmbus::OfferSpec spec;
        spec.interface = scsi_interface;
        spec.instance = instance;
        spec.sub_channel = sub_channel;
        return spec;
    }
};

} // namespace devices::storage
