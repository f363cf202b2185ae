/// The root's answer to a guest that looks for a VMBus: there is none. A guest that finds the VMBus node in the ACPI
/// tables sends a version request and, like Linux, waits for the answer without a time-out, so it has to get one.
#pragma once

#include "hv/partition/partition.hpp"
#include "hv/types.hpp"

#include <cstddef>
#include <memory>

namespace hv::vmbus {

/// Serves one guest for as long as it lives. Takes the guest's two connection IDs for VMBus messages, 1 and 4 (Linux
/// include/linux/hyperv.h, VMBUS_MESSAGE_CONNECTION_ID and _ID_4), and one of its port IDs.
class VersionRefusal {
  public:
    /// Throws std::runtime_error when the guest's memory pool has no room.
    explicit VersionRefusal(std::shared_ptr<Partition> guest);
    ~VersionRefusal();
    VersionRefusal(VersionRefusal const&) = delete;
    VersionRefusal& operator=(VersionRefusal const&) = delete;

  private:
    class Answerer;

    void open();
    void close();
    [[nodiscard]] PortId root_port(std::size_t n) const;
    [[nodiscard]] ConnectionId root_connection() const;

    std::shared_ptr<Partition> const guest_;
};

} // namespace hv::vmbus
