#include "vmm/machine/vmbus_devices.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace vmm {

VmbusDevices::VmbusDevices(boost::asio::io_context& io, std::shared_ptr<hv::Partition> partition,
                           GuestOptions const& options, std::shared_ptr<void const> guest_ram,
                           std::stop_token opening)
    : executor_{std::make_shared<AsioExecutor>(io)},
      bus_{partition, executor_,
           [designation = options.designation()](auto text) { spdlog::warn("{}: {}", designation, text); }},
      disks_{bus_, options.cpus, options.disks, std::move(guest_ram), std::move(opening)},
      services_{bus_, *executor_, std::move(partition)}
{
    if (!options.vsock.empty()) sockets_.emplace(options, bus_);
    network_.emplace(options, bus_);
}

VmbusDevices::~VmbusDevices()
{
    network_.reset();
    sockets_.reset();
    bus_.shut_down();
}

void VmbusDevices::inspect(hv::Inspector& inspector) const
{
    bus_.inspect(inspector);
    disks_.inspect(inspector);
    if (sockets_) sockets_->inspect(inspector);
}

void VmbusDevices::detach()
{
    executor_->detach();
}

} // namespace vmm
