/// A guest that refills a ring as fast as the host drains it, for fuzz targets.
#pragma once

#include "devices/testing/refilled_ring.hpp"
#include "hv/fuzz/changing_memory.hpp"
#include "hv/vmbus/channel.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace devices::testing {

struct Flood {
    hv::vmbus::ChannelDevice& device;
    hv::testing::GuestRing ring; ///< to the host
    hv::abi::PacketDescriptor descriptor;
    std::vector<std::byte> header;
    std::span<std::byte const> payload; ///< no more than 128 bytes
};

/// Signals the device a few times while its ring is never empty, and runs what it posts: each has to return, and one
/// task at most may wait. Where the model's loads are not instrumented the ring is full once.
inline void carry_out(Flood const& flood, hv::fuzz::ChangingMemory& memory, hv::testing::CrankedExecutor& runner)
{
    constexpr unsigned turns = 4;
    auto const& ring = flood.ring;
    auto const packet = fill_with_copies(ring, flood.descriptor, flood.header, flood.payload);
    ring.write_index() = (ring.read_index() % ring.size() + ring.size() - packet) % ring.size();
    auto* const control = ring.data() - hv::page_size;
    auto const before = runner.tasks();
    memory.refill(control, ring.size(), packet);
    for (unsigned i = 0; i < turns; ++i) {
        flood.device.signalled();
        hv::fuzz::require(runner.tasks() <= before + 1, "one task at most waits for a channel");
        (void)runner.crank_one();
    }
    memory.stop_refilling();
}

} // namespace devices::testing
