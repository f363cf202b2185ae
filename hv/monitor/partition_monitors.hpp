/// What a partition has of monitored notifications (TLFS 2.0a §14.5).
#pragma once

#include "hv/abi/types.hpp"
#include "hv/monitor/common_view.hpp"
#include "hv/monitor/monitored_page.hpp"

#include <array>
#include <atomic>
#include <memory>

namespace hv {

/// A monitor port's page, and where it shows in the port's partition; nowhere in the root, which has no memory.
struct MonitorPort {
    std::shared_ptr<MonitoredPage> page;
    std::unique_ptr<CommonView> view;
};

/// All but `dozing` and `held` is guarded by the lock of the partition's tables.
struct PartitionMonitors {
    static constexpr unsigned most_ports = 16;
    static constexpr unsigned most_connections = 8; ///< with a page

    struct Connection {
        ConnectionId id{};
        std::unique_ptr<CommonView> view; ///< nullptr: the place is free
    };

    unsigned ports = 0;
    std::array<Connection, most_connections> connections{};
    /// A page that is looked at on behalf of this partition dozes.
    std::atomic<bool> dozing{false};
    /// Set while the partition is paused: no page is looked at on its behalf. Guarded by the scanner's lock.
    bool held = false;
};

} // namespace hv
