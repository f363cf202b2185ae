#include "vmm/machine/vmbus_devices.hpp"

#include <utility>

namespace vmm {

VmbusDevices::VmbusDevices(boost::asio::io_context& io, std::shared_ptr<hv::Partition> partition,
                           [[maybe_unused]] GuestOptions const& options)
    : executor_{std::make_shared<AsioExecutor>(io)}, bus_{std::move(partition), executor_}
{}

VmbusDevices::~VmbusDevices()
{
    bus_.shut_down();
}

void VmbusDevices::detach()
{
    executor_->detach();
}

} // namespace vmm
