#include "hv/vmbus/open_channel.hpp"

#include <utility>

namespace hv::vmbus {

OpenChannel::OpenChannel(std::shared_ptr<Shared> shared, ChannelId id, Rings rings, VpIndex target_vp,
                         std::array<std::byte, user_defined_bytes> const& user_data, std::function<void()> released)
    : shared_{std::move(shared)},
      id_{id},
      incoming_{std::move(rings.to_host)},
      outgoing_{std::move(rings.to_guest)},
      user_data_{user_data},
      released_{std::move(released)},
      target_vp_{target_vp}
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
    {
        InspectedNode const ring{inspector, "ring_to_host"};
        incoming_.inspect(inspector);
    }
    InspectedNode const ring{inspector, "ring_to_guest"};
    outgoing_.inspect(inspector);
}

} // namespace hv::vmbus
