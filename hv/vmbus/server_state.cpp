// How a bus goes elsewhere with its channels.
#include "hv/vmbus/messages.hpp"
#include "hv/vmbus/server_core.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace hv::vmbus {

BusState Server::Core::state() const
{
    BusState out;
    out.version = version_ ? static_cast<std::uint32_t>(*version_) : 0;
    out.offers_requested = offers_requested_;
    for (auto const id : unreleased_)
        out.unreleased.push_back(id.value);
    out.after_reset = static_cast<std::uint8_t>(after_reset_);
    out.contact = contact_;
    out.socket_requests = socket_requests_;
    return out;
}

void Server::Core::restore(BusState const& state)
{
    version_.reset();
    if (is_known(abi::VmbusVersion{state.version})) version_ = abi::VmbusVersion{state.version};
    offers_requested_ = state.offers_requested && version_;
    for (auto const id : state.unreleased)
        if (id >= 1 && id <= last_channel) unreleased_.insert(ChannelId{id});
    auto const then = AfterReset{state.after_reset};
    after_reset_ = then == AfterReset::Version || then == AfterReset::Unloaded ? then : AfterReset::Nothing;
    contact_ = state.contact;
}

void Server::Core::visit(StateVisitor& visitor)
{
    auto all = state();
    hv::visit(visitor, all);
    if (visitor.restores()) restore(all);
    {
        VisitedNode const node{visitor, "outbox"};
        outbox_->visit(visitor);
    }
    if (visitor.restores()) {
        for (auto const& request : all.socket_requests) // whom the guest wanted to reach is not here
            say_refused(Guid{request.endpoint}, Guid{request.service});
    }
    {
        VisitedNode const node{visitor, "inbox"};
        inbox_->visit(visitor);
    }
    {
        VisitedNode const node{visitor, "gpadls"};
        shared_->gpadls.visit(visitor);
    }
    VisitedNode const node{visitor, "channels"};
    if (!visitor.restores()) return save_channels(visitor);
    restore_channels(visitor);
    for (auto const id : shared_->gpadls.restored_to_tear_down())
        tear_down(id);
    tasks().run([this] {
        if (open_channels_ == 0) answer_reset(); // those that it has waited for use nothing here
    });
    read_inbox_soon();
}

/// Primary channels come first. Sub-channels that the bus has not come to yet were promised to the guest already.
void Server::Core::save_channels(StateVisitor& visitor)
{
    std::vector<OfferedChannel*> all;
    for (bool const primary : {true, false})
        for (auto const& [id, channel] : channels_)
            if (channel->primary() == primary) all.push_back(channel.get());
    std::vector<ChannelState> to_come;
    {
        std::lock_guard const guard{offers_lock_};
        for (auto const& offer : offers_)
            if (offer.spec.sub_channel != 0)
                to_come.push_back({.number = 0,
                                   .instance = offer.spec.instance.bytes,
                                   .sub_channel = offer.spec.sub_channel,
                                   .offered = false,
                                   .open = false,
                                   .opened = {}});
    }
    std::uint64_t count = all.size() + to_come.size();
    visitor.number("count", count);
    for (std::size_t i = 0; i < count; ++i) {
        VisitedNode const node{visitor, std::to_string(i)};
        auto state = i < all.size() ? all[i]->state() : to_come[i - all.size()];
        hv::visit(visitor, state);
        if (i < all.size()) all[i]->visit_parts(visitor);
    }
}

void Server::Core::restore_channels(StateVisitor& visitor)
{
    std::vector<Offer> present;
    for (auto const& [id, channel] : channels_)
        present.push_back({channel->spec(), channel->shared_device()});
    channels_.clear();
    std::vector<Offer> to_offer;
    std::uint64_t count = 0;
    visitor.number("count", count);
    count = std::min<std::uint64_t>(count, 2 * std::uint64_t{last_channel});
    for (std::uint64_t i = 0; i < count; ++i) {
        VisitedNode const node{visitor, std::to_string(i)};
        ChannelState state;
        hv::visit(visitor, state);
        auto offer = device_of(state, present);
        if (offer.device && state.number == 0)
            to_offer.push_back(std::move(offer));
        else
            restore_channel(state, std::move(offer), visitor);
    }
    to_offer.insert(to_offer.begin(), present.begin(), present.end()); // which the guest does not know
    for (auto const& [spec, device] : to_offer)
        offer(spec, device);
}

/// A device that is there, and nobody's yet; for a sub-channel one that the device behind the primary channel has.
Server::Core::Offer Server::Core::device_of(ChannelState const& state, std::vector<Offer>& present) const
{
    if (state.sub_channel == 0) {
        auto const found =
            std::ranges::find(present, state.instance, [](Offer const& offer) { return offer.spec.instance.bytes; });
        if (found == present.end()) return {};
        auto out = std::move(*found);
        present.erase(found);
        return out;
    }
    OfferedChannel const* primary = nullptr;
    for (auto const& [id, channel] : channels_) {
        if (channel->spec().instance.bytes != state.instance) continue;
        if (channel->spec().sub_channel == state.sub_channel) return {};
        if (channel->primary()) primary = channel.get();
    }
    if (!primary || !primary->is_open()) return {};
    Offer out{primary->spec(), primary->device().sub_channel(state.sub_channel)};
    out.spec.sub_channel = state.sub_channel;
    if (out.device) out.device->quiesce({});
    return out;
}

void Server::Core::restore_channel(ChannelState const& state, Offer offer, StateVisitor& visitor)
{
    ChannelId const id{state.number};
    bool const free = state.number >= 1 && state.number <= last_channel && !channels_.contains(id);
    if (!free) return;
    if (!offer.device) return take_back(state);
    auto made = std::make_unique<OfferedChannel>(guest_, id, offer.spec, std::move(offer.device));
    if (!made->connected()) return take_back(state);
    auto& channel = *channels_.emplace(id, std::move(made)).first->second;
    unreleased_.erase(id);
    channel.offered = state.offered && version_;
    if (channel.offered && state.open) {
        if (auto opened = make_channel(channel, state.opened)) channel.open(std::move(opened));
    }
    channel.visit_parts(visitor);
}

/// The guest hears of it when the bus is resumed.
void Server::Core::take_back(ChannelState const& state)
{
    if (!state.offered || !version_) return;
    unreleased_.insert(ChannelId{state.number});
    outbox_->send(abi::ChannelMessage{header(abi::ChannelMessageType::RescindChannelOffer), state.number});
}

} // namespace hv::vmbus
