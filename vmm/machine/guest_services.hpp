/// The integration services and the keyboard that every guest is offered.
#pragma once

#include "devices/vmbus/keyboard/keyboard.hpp"
#include "devices/vmbus/services/heartbeat.hpp"
#include "devices/vmbus/services/key_value.hpp"
#include "devices/vmbus/services/shutdown.hpp"
#include "devices/vmbus/services/time_sync.hpp"
#include "hv/partition/partition.hpp"

#include <memory>

namespace vmm {

class GuestServices {
  public:
    /// Offers them. `executor` outlives them.
    GuestServices(hv::vmbus::Bus& bus, hv::vmbus::Executor& executor, std::shared_ptr<hv::Partition> partition);

    [[nodiscard]] devices::vmbus::ShutdownService& shutdown() const { return *shutdown_; }
    [[nodiscard]] devices::vmbus::HeartbeatService const& heartbeat() const { return *heartbeat_; }
    [[nodiscard]] devices::vmbus::KeyValueService& key_value() const { return *key_value_; }
    [[nodiscard]] devices::vmbus::Keyboard& keyboard() const { return *keyboard_; }
    [[nodiscard]] std::shared_ptr<devices::vmbus::Keyboard> const& shared_keyboard() const { return keyboard_; }

  private:
    std::shared_ptr<devices::vmbus::ShutdownService> const shutdown_;
    std::shared_ptr<devices::vmbus::TimeSyncService> const time_sync_;
    std::shared_ptr<devices::vmbus::HeartbeatService> const heartbeat_;
    std::shared_ptr<devices::vmbus::KeyValueService> const key_value_;
    std::shared_ptr<devices::vmbus::Keyboard> const keyboard_;
};

} // namespace vmm
