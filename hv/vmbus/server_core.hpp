/// The inside of vmbus::Server: its state, which only the executor touches.
#pragma once

#include "hv/abi/vmbus.hpp"
#include "hv/base/sync.hpp"
#include "hv/vmbus/bus_state.hpp"
#include "hv/vmbus/inbox.hpp"
#include "hv/vmbus/messages.hpp"
#include "hv/vmbus/offered_channel.hpp"
#include "hv/vmbus/open_channel.hpp"
#include "hv/vmbus/outbox.hpp"
#include "hv/vmbus/server.hpp"
#include "hv/vmbus/tasks.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

namespace hv::vmbus {

class Server::Core : public std::enable_shared_from_this<Core> {
  public:
    /// Throws like Server.
    [[nodiscard]] static std::shared_ptr<Core> make(std::shared_ptr<Partition> guest,
                                                    std::shared_ptr<Executor> executor, Report report);
    Core(std::shared_ptr<Partition> guest, std::shared_ptr<Executor> executor, Report report);
    Core(Core const&) = delete;
    Core& operator=(Core const&) = delete;
    ~Core();

    [[nodiscard]] Executor& executor() const { return *executor_; }
    [[nodiscard]] Tasks tasks() { return {executor_, weak_from_this()}; }

    /// From any thread.
    void offer_soon(OfferSpec const& spec, std::shared_ptr<ChannelDevice> device);
    void withdraw(Guid const& instance);
    void set_socket_listener(std::shared_ptr<SocketListener> listener) { listener_ = std::move(listener); }
    void refuse_socket(Guid const& endpoint, Guid const& service);
    void shut_down();
    template <typename Call>
    void for_each_device(Call const& call) const
    {
        for (auto const& [id, channel] : channels_)
            call(channel->device());
    }
    void hold_messages() { outbox_->hold(); }
    void release_messages() { outbox_->release(); }
    void inspect(Inspector& inspector) const;
    void visit(StateVisitor& visitor);

  private:
    struct Offer {
        OfferSpec spec;
        std::shared_ptr<ChannelDevice> device;
    };

    /// A guest with that many answers waiting gets no further ones before it has taken some.
    static constexpr std::size_t answers_waiting = 32;
    static constexpr std::uint32_t last_channel = abi::event_flag_count - 1;
    /// A guest that keeps that many numbers of channels that were taken back gets no more sub-channels and sockets:
    /// the others are for devices.
    static constexpr std::size_t most_unreleased = 1024;

    void listen();
    void unlisten();

    [[nodiscard]] std::optional<Offer> take_offer();
    void offer(OfferSpec const& spec, std::shared_ptr<ChannelDevice> device);

    // server_state.cpp
    [[nodiscard]] BusState state() const;
    void restore(BusState const& state);
    void save_channels(StateVisitor& visitor);
    void restore_channels(StateVisitor& visitor);
    void restore_channel(ChannelState const& state, Offer offer, StateVisitor& visitor);
    [[nodiscard]] Offer device_of(ChannelState const& state, std::vector<Offer>& present) const;
    void take_back(ChannelState const& state);

    // Messages from the guest.
    void read_inbox_soon();
    void read_inbox();
    void handle(std::span<std::byte const> message);
    void initiate_contact(abi::InitiateContact const& message);
    void request_offers();
    void open_channel(abi::OpenChannel const& message);
    void close_channel(abi::ChannelMessage const& message);
    void release_channel(abi::ChannelMessage const& message);
    void modify_channel(abi::ModifyChannel const& message);
    void begin_gpadl(abi::GpadlHeader const& message, std::span<std::byte const> page_numbers);
    void continue_gpadl(abi::GpadlBody const& message, std::span<std::byte const> page_numbers);
    void tear_down_gpadl(abi::GpadlTeardown const& message) { tear_down(GpadlId{message.gpadl}); }
    void tear_down(GpadlId id);
    void connect_socket(abi::TlConnectRequest const& message);
    void socket_answered(Guid const& endpoint);
    void say_refused(Guid const& endpoint, Guid const& service);
    void unload();

    // What they lead to.
    void answer_version(Contact const& contact);
    void report_torn_down(GpadlId id);
    void report_gpadl(ChannelId channel, GpadlId id, GpadlTable::Progress progress);
    [[nodiscard]] std::shared_ptr<OpenChannel> make_channel(OfferedChannel const& offered,
                                                            OpenParameters const& parameters);
    [[nodiscard]] OfferedChannel* find(std::uint32_t channel);
    void show(OfferedChannel& channel);
    void report_failed_offer(char const* why);
    void rescind(ChannelId id);
    template <typename Predicate>
    void rescind_if(Predicate predicate);
    /// What the guest hears once its bus is as it was before it looked for one.
    enum class AfterReset : std::uint8_t { Nothing, Version, Unloaded };
    /// For that, no device may use its memory any more. `contact` is what it has said, for a version.
    void reset(AfterReset then, Contact const& contact);
    void answer_reset();
    void channel_released();

    std::shared_ptr<Partition> const guest_;
    std::shared_ptr<Executor> const executor_;
    Report const report_;
    std::shared_ptr<OpenChannel::Shared> shared_;
    std::shared_ptr<Inbox> inbox_;
    std::optional<Outbox> outbox_;
    std::vector<PortId> ports_; ///< the root's, for the guest's messages
    std::map<ChannelId, std::unique_ptr<OfferedChannel>> channels_;
    std::set<ChannelId> unreleased_; ///< taken back; the guest has yet to say that it has forgotten them
    std::shared_ptr<SocketListener> listener_;
    std::vector<SocketRequest> socket_requests_; ///< that it has, and has not answered
    Mutex<LockRank::Leaf> offers_lock_;
    std::deque<Offer> offers_; ///< that a task each is on its way for; guarded by offers_lock_

    std::optional<abi::VmbusVersion> version_; ///< agreed upon
    bool offers_requested_ = false;
    std::size_t open_channels_ = 0;                ///< that somebody still uses
    AfterReset after_reset_ = AfterReset::Nothing; ///< waits for these
    Contact contact_{};
    unsigned generation_ = 0; ///< counts resets
    bool failed_offer_reported_ = false;
    std::atomic<bool> reading_due_{false}; ///< a task will read the inbox; set on any thread
};

} // namespace hv::vmbus
