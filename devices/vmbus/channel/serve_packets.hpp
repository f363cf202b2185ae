/// The loop over a guest's packets of a device that can always take the next one.
#pragma once

#include "devices/vmbus/channel/channel_worker.hpp"
#include "hv/vmbus/channel.hpp"

namespace devices::vmbus {

/// Calls `take` with each packet until none is left, the ring is broken or the turn is over, and shows the guest what
/// became of them. With the device's lock held.
template <typename Take>
[[nodiscard]] Served::Left serve_packets(Turn& turn, hv::vmbus::Channel& channel, Take const& take)
{
    hv::vmbus::Packet packet{};
    auto left = Served::Left::Some;
    bool any = false;
    while (!turn.over()) {
        if (channel.incoming().next(packet) != hv::vmbus::IncomingRing::Next::Taken) {
            left = Served::Left::Nothing;
            break;
        }
        any = true;
        turn.count_packet();
        take(packet);
    }
    if (any) channel.publish();
    return left;
}

} // namespace devices::vmbus
