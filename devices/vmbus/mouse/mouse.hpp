/// The synthetic mouse.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "devices/vmbus/mouse/protocol.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <cstdint>
#include <memory>
#include <tuple>

namespace devices::vmbus {

class Mouse final : public hv::vmbus::ChannelDevice, public std::enable_shared_from_this<Mouse>, Served {
  public:
    static constexpr TurnLimits turn_limits{.packets = 16};

    /// `runner` outlives the mouse.
    explicit Mouse(hv::vmbus::Runner& runner) : worker_{*this, runner, turn_limits} {}

    [[nodiscard]] static hv::vmbus::OfferSpec offer();

    /// From any thread. False, and the report is lost, when no driver in the guest listens, it has left no room, or
    /// the mouse is quiesced.
    bool report(mouse::Report const& report);

    void open(std::shared_ptr<hv::vmbus::Channel> channel) override;
    void signalled() override { worker_.signal(); }
    void close() override;
    void quiesce(hv::StillBusy busy) override;
    void resume() override;
    void inspect(hv::Inspector& inspector) const override;
    void visit(hv::StateVisitor& visitor) override;

  private:
    [[nodiscard]] Left serve(Turn& turn) override;
    [[nodiscard]] std::weak_ptr<void> owner() override { return weak_from_this(); }

    struct State {
        bool accepted = false; ///< the guest speaks our version
        bool known = false;    ///< and knows what reports mean
        std::uint64_t reports = 0;
        std::uint64_t lost_reports = 0;
        std::uint64_t ignored_packets = 0; ///< that mean nothing here

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"accepted", &State::accepted}, hv::StateField{"known", &State::known},
                              hv::StateField{"reports", &State::reports, hv::Shown::Yes},
                              hv::StateField{"lost_reports", &State::lost_reports, hv::Shown::Yes},
                              hv::StateField{"ignored_packets", &State::ignored_packets, hv::Shown::Yes}};
        }
    };

    /// The mouse and its end of the channel.
    struct Line {
        void take(hv::vmbus::Packet const& packet);
        [[nodiscard]] bool handle(hv::vmbus::Packet const& packet);
        void answer_request(mouse::ProtocolRequest const& request);
        template <typename Body>
        bool send(mouse::MessageType type, Body const& body);

        std::shared_ptr<hv::vmbus::Channel> channel{};
        bool quiesced = false;
        State state{};
    };

    ChannelWorker worker_;
    Guarded<Line, LockRank::Channel> line_;
};

} // namespace devices::vmbus
