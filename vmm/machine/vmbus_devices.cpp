#include "vmm/machine/vmbus_devices.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace vmm {

VmbusDevices::VmbusDevices(World world, std::shared_ptr<hv::Partition> partition, GuestOptions const& options)
    : executor_{std::make_shared<AsioExecutor>(world.io)},
      bus_{partition, executor_,
           [designation = options.designation()](auto text) { spdlog::warn("{}: {}", designation, text); }},
      end_of_tasks_{*executor_},
      disks_{bus_, options.cpus, options.disks, world.memory, std::move(world.opening)},
      services_{bus_, *executor_, partition}
{
    if (world.display)
        display_.emplace(*world.display, bus_, *executor_, services_.shared_keyboard(), std::move(world.place_video));
    if (options.most_memory != 0) {
        MemoryLayout const layout{options.memory, options.most_memory};
        balloon_.emplace(bus_, *world.memory, layout, options.most_memory, std::move(partition));
    }
    if (!options.vsock.empty()) sockets_.emplace(options, bus_);
    network_.emplace(options, world.start_user_network, bus_);
}

VmbusDevices::~VmbusDevices()
{
    network_.reset();
    sockets_.reset();
    display_.reset();
    bus_.shut_down();
}

void VmbusDevices::inspect(hv::Inspector& inspector) const
{
    bus_.inspect(inspector);
    disks_.inspect(inspector);
    if (sockets_) sockets_->inspect(inspector);
}

/// What is not on the bus.
template <typename Call>
void VmbusDevices::for_each_component(Call const& call)
{
    call(disks_);
    if (network_) call(*network_);
    if (sockets_) call(sockets_->relay());
}

void VmbusDevices::quiesce(hv::StillBusy busy)
{
    executor_->hold([this, busy = std::move(busy)] {
        bus_.quiesce(busy);
        for_each_component([&](devices::Component& component) { component.quiesce(busy); });
    });
}

void VmbusDevices::resume()
{
    executor_->release([this] {
        for_each_component([](devices::Component& component) { component.resume(); });
        bus_.resume();
    });
}

void VmbusDevices::detach()
{
    executor_->detach();
}

} // namespace vmm
