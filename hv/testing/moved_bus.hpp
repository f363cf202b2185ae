/// A guest whose bus goes on in another one, with its memory and its partition.
#pragma once

#include "hv/testing/bus_guest.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/saved_state.hpp"

#include <cstring>
#include <functional>
#include <memory>
#include <string>

namespace hv::testing {

/// A guest that goes from one machine to another.
struct Journey {
    Journey() { arrive(); }

    /// In a machine with one device, which has a sub-channel.
    void arrive()
    {
        guest = std::make_unique<BusGuest>();
        guest->device->sub_channels.push_back(std::make_shared<RecordingDevice>());
        guest->bus->offer({.interface = interface_a, .instance = instance_a}, guest->device);
        guest->executor->crank();
    }
    void quiesce() const
    {
        guest->bus->quiesce({});
        guest->guest.partition->hold_deliveries();
    }
    /// From a machine at rest to another one. `prepare` is done there before it has anything of this one.
    void move(std::function<void(BusGuest&)> const& prepare = [](auto&) {})
    {
        auto const former = std::move(guest);
        arrive();
        prepare(*guest);
        guest->executor->crank();
        quiesce();
        std::memcpy(guest->guest.ram.get(), former->guest.ram.get(), TestGuest::pages * page_size);
        SavedState bus;
        bus.save(*former->bus);
        SavedState partition;
        partition.save(*former->guest.partition);
        bus.restore(*guest->bus);
        partition.restore(*guest->guest.partition);
    }
    void resume() const
    {
        guest->guest.partition->release_deliveries();
        guest->bus->resume();
    }
    void go_on_elsewhere(std::function<void(BusGuest&)> const& prepare = [](auto&) {})
    {
        quiesce();
        move(prepare);
        resume();
    }

    [[nodiscard]] GuestRing to_host() const { return {guest->guest.ram.get() + 16 * page_size, 4}; }
    [[nodiscard]] GuestRing to_guest() const { return {guest->guest.ram.get() + 20 * page_size, 4}; }
    [[nodiscard]] std::string told(std::string const& what) const
    {
        Inspected seen;
        guest->bus->inspect(seen);
        return seen.at("vmbus/" + what);
    }

    std::unique_ptr<BusGuest> guest;
};

} // namespace hv::testing
