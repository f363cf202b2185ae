/// A guest whose network card goes on in another one.
#pragma once

#include "devices/vmbus/network/testing/nic_guest.hpp"
#include "hv/testing/saved_state.hpp"

#include <map>
#include <memory>

namespace devices::network::testing {

class MovingCard {
  public:
    explicit MovingCard(NicGuest& guest) : guest_{guest} {}

    /// Brings the card to rest.
    void quiesce()
    {
        guest_.nic->quiesce({});
        for (auto const& [n, device] : guest_.bus.devices)
            device->quiesce({});
    }
    /// From one that is at rest to another one, which is still at rest then.
    void move()
    {
        auto const offers = guest_.backend->offers;
        std::map<unsigned, hv::testing::SavedState> saved;
        for (auto const& [n, device] : guest_.bus.devices)
            saved[n].save(*device);
        guest_.bus.devices.clear();
        former_ = std::move(guest_.nic);
        guest_.make_card(offers);
        guest_.nic->quiesce({});
        for (auto& [n, state] : saved) {
            if (n != 0) {
                auto sub_channel = guest_.bus.devices.at(0)->sub_channel(static_cast<std::uint16_t>(n));
                if (!sub_channel) continue; // the bus has taken it back with the primary channel
                guest_.bus.devices[n] = std::move(sub_channel);
            }
            auto& device = *guest_.bus.devices.at(n);
            device.quiesce({});
            auto const channel = guest_.channels.find(n);
            if (channel != guest_.channels.end() && channel->second->connected()) {
                channel->second->connect(&device);
                device.open(channel->second);
            }
            state.restore(device);
        }
        former_.reset();
    }
    void resume()
    {
        for (auto const& [n, device] : guest_.bus.devices)
            device->resume();
        guest_.nic->resume();
        guest_.bus.executor.crank();
    }
    void go_on_elsewhere()
    {
        quiesce();
        move();
        resume();
    }

  private:
    NicGuest& guest_;
    std::shared_ptr<Nic> former_; ///< nothing of it is used any more
};

} // namespace devices::network::testing
