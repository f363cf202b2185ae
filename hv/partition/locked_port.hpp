/// What a handle leads to.
#pragma once

#include "hv/partition/partition.hpp"
#include "hv/port/port_slab.hpp"

#include <mutex>

namespace hv {

/// The port behind a connection, locked, if it still is the one that was connected to and takes this type of traffic.
struct LockedPort {
    LockedPort(PortSlab const& slab, PortHandle handle) : port{slab.at(handle)}, lock{port.lock}
    {
        alive = port.alive && port.generation == handle.generation();
    }

    /// A port that is alive has a live owner: its partition is severed before it goes.
    [[nodiscard]] bool takes(abi::PortType type) const
    {
        return alive && port.owner->active() && port.spec.type == type;
    }

    Port& port;
    std::unique_lock<decltype(Port::lock)> lock;
    bool alive = false;
};

} // namespace hv
