// How channels of a bus come, are opened and closed, and go.
#include "hv/vmbus/messages.hpp"
#include "hv/vmbus/server_core.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace hv::vmbus {

void Server::Core::open_channel(abi::OpenChannel const& message)
{
    auto* const offered = find(message.channel);
    std::shared_ptr<OpenChannel> channel;
    if (offered && !offered->is_open())
        channel = make_channel(*offered,
                               {message.ring_gpadl, message.downstream_page, message.target_vp, message.user_data});
    outbox_->send(abi::OpenChannelResult{header(abi::ChannelMessageType::OpenChannelResult), message.channel,
                                         message.open_id, channel ? ntstatus::success : ntstatus::unsuccessful});
    if (channel) offered->open(std::move(channel));
}

std::shared_ptr<OpenChannel> Server::Core::make_channel(OfferedChannel const& offered,
                                                        OpenParameters const& parameters)
{
    auto const pages = shared_->gpadls.find(offered.id(), GpadlId{parameters.ring_gpadl});
    if (!pages || !pages->page_aligned() || pages->size() % page_size != 0) return nullptr;
    auto const count = pages->page_count();
    std::size_t const to_host = parameters.downstream_page;
    if (to_host < 2 || to_host + 2 > count) return nullptr; // a page of control and one of data, at least
    if (!shared_->events.prepare(VpIndex{parameters.target_vp})) return nullptr;

    ++open_channels_;
    OpenChannel::Rings rings{RingMemory{pages, 0, to_host}, RingMemory{pages, to_host, count - to_host}};
    auto released = [tasks = tasks(), this] { tasks.run([this] { channel_released(); }); };
    return std::make_shared<OpenChannel>(shared_, offered.id(), std::move(rings), parameters, std::move(released));
}

void Server::Core::channel_released()
{
    --open_channels_;
    if (open_channels_ > 0 || after_reset_ == AfterReset::Nothing) return;
    answer_reset();
    read_inbox();
}

void Server::Core::close_channel(abi::ChannelMessage const& message)
{
    auto* const channel = find(message.channel);
    if (!channel || !channel->is_open()) return;
    channel->close();
    if (!channel->primary()) return;
    rescind_if([&spec = channel->spec()](OfferedChannel const& other) {
        return !other.primary() && other.spec().instance == spec.instance;
    });
}

void Server::Core::release_channel(abi::ChannelMessage const& message)
{
    unreleased_.erase(ChannelId{message.channel});
}

void Server::Core::modify_channel(abi::ModifyChannel const& message)
{
    auto* const channel = find(message.channel);
    VpIndex const vp{message.target_vp};
    bool const done = channel && channel->is_open() && shared_->events.prepare(vp);
    if (done) channel->set_target_vp(vp);
    if (*version_ < abi::VmbusVersion::V5_3) return;
    outbox_->send(abi::ModifyChannelResponse{header(abi::ChannelMessageType::ModifyChannelResponse), message.channel,
                                             done ? ntstatus::success : ntstatus::invalid_parameter});
}

void Server::Core::offer_soon(OfferSpec const& spec, std::shared_ptr<ChannelDevice> device)
{
    {
        std::lock_guard const guard{offers_lock_};
        offers_.push_back({spec, std::move(device)});
    }
    tasks().run([this] {
        if (auto const next = take_offer()) offer(next->spec, next->device);
    });
}

std::optional<Server::Core::Offer> Server::Core::take_offer()
{
    std::lock_guard const guard{offers_lock_};
    if (offers_.empty()) return std::nullopt;
    auto next = std::move(offers_.front());
    offers_.pop_front();
    return next;
}

void Server::Core::offer(OfferSpec const& spec, std::shared_ptr<ChannelDevice> device)
{
    if ((spec.flags & channel_flags::hv_socket) != 0) socket_answered(spec.instance);
    bool const guest_asked = spec.sub_channel != 0 || (spec.flags & channel_flags::hv_socket) != 0;
    if (guest_asked && unreleased_.size() >= most_unreleased)
        return report_failed_offer("it has not released those that were taken back");
    std::uint32_t number = 1;
    while (channels_.contains(ChannelId{number}) || unreleased_.contains(ChannelId{number}))
        ++number;
    if (number > last_channel) return report_failed_offer("all numbers of channels are in use");
    ChannelId const id{number};
    auto channel = std::make_unique<OfferedChannel>(guest_, id, spec, std::move(device));
    if (!channel->connected())
        return report_failed_offer("its memory pool has no room, or it has taken the connection's ID for itself");
    auto& stays = *channels_.emplace(id, std::move(channel)).first->second;
    if (offers_requested_) show(stays);
}

/// Once: a guest can bring this about as often as it likes.
void Server::Core::report_failed_offer(char const* why)
{
    if (std::exchange(failed_offer_reported_, true)) return;
    report_(std::string{"a VMBus channel cannot be offered to the guest: "} + why);
}

void Server::Core::withdraw(Guid const& instance)
{
    rescind_if([&instance](OfferedChannel const& channel) { return channel.spec().instance == instance; });
}

template <typename Predicate>
void Server::Core::rescind_if(Predicate predicate)
{
    std::vector<ChannelId> ids;
    for (auto const& [id, channel] : channels_) {
        if (predicate(*channel)) ids.push_back(id);
    }
    std::stable_partition(ids.begin(), ids.end(), [this](ChannelId id) { return !channels_.at(id)->primary(); });
    for (auto const id : ids)
        rescind(id);
}

/// The device and all that it holds go at once; the guest keeps no more than the number.
void Server::Core::rescind(ChannelId id)
{
    auto const found = channels_.find(id);
    bool const offered = found->second->offered;
    channels_.erase(found); // closes it
    if (!offered) return;
    unreleased_.insert(id);
    outbox_->send(abi::ChannelMessage{header(abi::ChannelMessageType::RescindChannelOffer), id.value});
}

} // namespace hv::vmbus
