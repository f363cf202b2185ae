#include "hv/partition/partition.hpp"

#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/partition/locked_port.hpp"
#include "hv/partition/registry.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

namespace hv {

Partition::Partition(PartitionRegistry& registry, PartitionId id, PartitionConfig const& config)
    : VpEnvironment{config},
      child_{config.child},
      registry_{registry},
      id_{id},
      parent_{config.parent},
      active_{config.active},
      slots_(config.child ? config.max_vps : 0),
      pool_{config.pool_bytes},
      children_{config.children ? std::make_unique<Children>(*this, *config.children) : nullptr}
{}

Partition::~Partition() = default;

VirtualProcessor& Partition::add_vp(VpControl& control)
{
    auto const index = VpIndex{static_cast<std::uint32_t>(vps_.size())};
    vps_.push_back(std::make_unique<VirtualProcessor>(*this, *this, index, control));
    slots_.emplace_back();
    set_vp(index, vps_.back().get());
    return *vps_.back();
}

std::uint32_t Partition::vp_count() const
{
    return static_cast<std::uint32_t>(
        std::ranges::count_if(slots_, [](Slot const& slot) { return slot.vp.load() != nullptr; }));
}

std::vector<std::uint64_t> Partition::overlay_pages()
{
    Visit const visit{*this};
    std::vector<std::uint64_t> pages;
    list_overlays(pages);
    for (auto const& slot : slots_)
        if (auto* const vp = slot.vp.load(std::memory_order_acquire)) vp->list_overlays(pages);
    if (children_) children_->list_overlays(pages);
    return pages;
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

void Partition::visit(StateVisitor& visitor)
{
    visit_environment(visitor);
    auto const port_buffer = [this](abi::Message const& message) {
        return free_buffer(PortId{static_cast<std::uint32_t>(message.header.origin)});
    };
    for (std::size_t n = 0; n < vps_.size(); ++n) {
        VisitedNode const node{visitor, "vp " + std::to_string(n)};
        vps_[n]->visit(visitor, port_buffer);
    }
}

/// Of one of its ports; nullptr when there is no such port, or it has none left.
MessageBuffer* Partition::free_buffer(PortId id)
{
    PortHandle const handle{ports_.find(id.value)};
    if (!handle) return nullptr;
    LockedPort const port{registry_.slab(), handle};
    if (!port.takes(abi::PortType::Message)) return nullptr;
    auto& buffers = port.port.buffers;
    if (!buffers) buffers = std::make_unique<PortBuffers>();
    auto const free = std::ranges::find_if(*buffers, [](auto const& b) { return !b.in_use.load(); });
    return free == buffers->end() ? nullptr : &*free;
}

void Partition::wait_for_visits() const
{
    while (visitors_.load() != 0)
        std::this_thread::yield(); // for as long as a sender takes to raise an interrupt
}

} // namespace hv
