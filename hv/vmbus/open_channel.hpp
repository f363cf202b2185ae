/// A channel between the guest's opening and closing it.
#pragma once

#include "hv/vmbus/bus_state.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/gpadl_table.hpp"
#include "hv/vmbus/vp_events.hpp"

#include <atomic>
#include <functional>
#include <memory>

namespace hv::vmbus {

class OpenChannel final : public Channel {
  public:
    /// What the channels of a guest share; it outlives the bus with the last channel.
    struct Shared {
        std::shared_ptr<Partition> guest;
        GpadlTable gpadls;
        VpEvents events;

        explicit Shared(std::shared_ptr<Partition> partition)
            : guest{partition}, gpadls{partition}, events{std::move(partition)}
        {}
    };
    struct Rings {
        RingMemory to_host;
        RingMemory to_guest;
    };

    /// `released` is called when the last user has let go, on that user's thread. The VP is prepared in the events.
    OpenChannel(std::shared_ptr<Shared> shared, ChannelId id, Rings rings, OpenParameters const& parameters,
                std::function<void()> released);
    ~OpenChannel() override;

    [[nodiscard]] IncomingRing& incoming() override { return incoming_; }
    [[nodiscard]] OutgoingRing& outgoing() override { return outgoing_; }
    [[nodiscard]] GuestMemory const& memory() const override { return shared_->guest->memory(); }
    [[nodiscard]] std::shared_ptr<Gpadl const> gpadl(GpadlId id) const override;
    [[nodiscard]] std::array<std::byte, user_defined_bytes> const& user_data() const override
    {
        return parameters_.user_data;
    }
    [[nodiscard]] VpIndex target_vp() const override { return target_vp_.load(std::memory_order_relaxed); }
    void interrupt() override;

    void inspect(Inspector& inspector) const;
    [[nodiscard]] OpenParameters parameters() const;
    void visit_rings(StateVisitor& visitor);

    void set_target_vp(VpIndex vp) { target_vp_.store(vp, std::memory_order_relaxed); }
    void set_closed() { closed_.store(true, std::memory_order_relaxed); }

  private:
    std::shared_ptr<Shared> const shared_;
    ChannelId const id_;
    IncomingRing incoming_;
    OutgoingRing outgoing_;
    OpenParameters const parameters_; ///< but for the VP
    std::function<void()> const released_;
    std::atomic<VpIndex> target_vp_;
    std::atomic<bool> closed_{false};
};

} // namespace hv::vmbus
