#include "vmm/machine/guest_services.hpp"

#include <utility>

namespace vmm {

namespace {

auto clocks_beside(std::shared_ptr<hv::Partition> partition)
{
    return [partition = std::move(partition)] {
        return devices::vmbus::read_host_clocks([&] { return partition->time().now().value; });
    };
}

} // namespace

GuestServices::GuestServices(hv::vmbus::Bus& bus, hv::vmbus::Executor& executor,
                             std::shared_ptr<hv::Partition> partition)
    : shutdown_{std::make_shared<devices::vmbus::ShutdownService>(executor)},
      time_sync_{std::make_shared<devices::vmbus::TimeSyncService>(executor, clocks_beside(std::move(partition)))},
      heartbeat_{std::make_shared<devices::vmbus::HeartbeatService>(executor)},
      key_value_{std::make_shared<devices::vmbus::KeyValueService>(executor)},
      keyboard_{std::make_shared<devices::vmbus::Keyboard>(executor)}
{
    bus.offer(shutdown_->offer(), shutdown_);
    bus.offer(time_sync_->offer(), time_sync_);
    bus.offer(heartbeat_->offer(), heartbeat_);
    bus.offer(key_value_->offer(), key_value_);
    bus.offer(devices::vmbus::Keyboard::offer(), keyboard_);
}

} // namespace vmm
