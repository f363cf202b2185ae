#include "hv/partition/partition.hpp"

#include "hv/partition/registry.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <thread>

namespace hv {

Partition::Partition(PartitionRegistry& registry, PartitionId id, PartitionConfig const& config)
    : VpEnvironment{config}, registry_{registry}, id_{id}, parent_{config.parent}, pool_{config.pool_bytes}
{}

Partition::~Partition() = default;

VirtualProcessor& Partition::add_vp(VpControl& control)
{
    auto const index = VpIndex{static_cast<std::uint32_t>(vps_.size())};
    vps_.push_back(std::make_unique<VirtualProcessor>(*this, *this, index, control));
    return *vps_.back();
}

void Partition::hold_deliveries()
{
    registry_.monitors().hold(*this);
    for (auto const& vp : vps_)
        vp->synic().hold();
}

void Partition::release_deliveries()
{
    for (auto const& vp : vps_)
        vp->synic().release();
    registry_.monitors().release(*this);
}

void Partition::wait_for_visits() const
{
    while (visitors_.load() != 0)
        std::this_thread::yield(); // for as long as a sender takes to raise an interrupt
}

} // namespace hv
