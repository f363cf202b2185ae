#include "hv/vmbus/open_channel.hpp"

#include <utility>

namespace hv::vmbus {

OpenChannel::OpenChannel(std::shared_ptr<Shared> shared, ChannelId id, Rings rings, OpenParameters const& parameters,
                         std::function<void()> released)
    : shared_{std::move(shared)},
      id_{id},
      incoming_{std::move(rings.to_host)},
      outgoing_{std::move(rings.to_guest)},
      parameters_{parameters},
      released_{std::move(released)},
      target_vp_{VpIndex{parameters.target_vp}}
{}

OpenChannel::~OpenChannel()
{
    released_();
}

std::shared_ptr<Gpadl const> OpenChannel::gpadl(GpadlId id) const
{
    return shared_->gpadls.find(id_, id);
}

void OpenChannel::interrupt()
{
    if (closed_.load(std::memory_order_relaxed)) return;
    shared_->events.signal(target_vp(), id_.value);
}

void OpenChannel::inspect(Inspector& inspector) const
{
    inspector.number("vp", target_vp().value);
    show(inspector, parameters_);
    {
        InspectedNode const ring{inspector, "ring_to_host"};
        incoming_.inspect(inspector);
    }
    InspectedNode const ring{inspector, "ring_to_guest"};
    outgoing_.inspect(inspector);
}

OpenParameters OpenChannel::parameters() const
{
    auto out = parameters_;
    out.target_vp = target_vp().value;
    return out;
}

void OpenChannel::visit_rings(StateVisitor& visitor)
{
    {
        VisitedNode const node{visitor, "ring_to_host"};
        incoming_.visit(visitor);
    }
    VisitedNode const node{visitor, "ring_to_guest"};
    outgoing_.visit(visitor);
}

} // namespace hv::vmbus
