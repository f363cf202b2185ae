/// The pages of monitor ports and connections (TLFS 2.0a §14.5.4): one common page, made with the port, which shows
/// in the port's partition and, from HvConnectPort to HvDisconnectPort, in the connection's. `communication` calls
/// these with the tables of the partition locked, and with the port locked where the port is given.
#pragma once

#include "hv/abi/result.hpp"
#include "hv/abi/types.hpp"
#include "hv/monitor/partition_monitors.hpp"

#include <cstdint>
#include <memory>
#include <optional>

namespace hv {

class Partition;

namespace monitor_ports {

/// InvalidAlignment: not page-aligned; InvalidParameter: no RAM there.
[[nodiscard]] Status check(Partition const& partition, std::optional<Gpa> page);

/// Makes a port's page. InsufficientMemory; NoResources: the partition has as many as it may have, or nobody scans.
[[nodiscard]] Result<std::unique_ptr<MonitorPort>> open(Partition& owner, std::optional<Gpa> place);
/// Its end, and that of looking at it. A connection's guest keeps seeing the page.
void close(Partition& owner, std::unique_ptr<MonitorPort> port);

/// Shows a port's page in the sender and begins to look at it. Statuses as of `check` and `open`.
[[nodiscard]] Status connect(Partition& sender, ConnectionId id, MonitorPort const& port,
                             std::optional<std::uint64_t> address);
void stop(Partition& sender, MonitorPort const& port);
/// Uncovers what a connection's page lies over, if it has one.
void hide(Partition& sender, ConnectionId id);

} // namespace monitor_ports

} // namespace hv
