/// The synthetic keyboard.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "devices/vmbus/keyboard/protocol.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <cstdint>
#include <memory>
#include <tuple>

namespace devices::vmbus {

/// A key by its scan code of set 1: 0x1E is A, 0xE01D the right Control key, 0xE11D the first half of Pause.
enum class ScanCode : std::uint16_t {};

class Keyboard final : public hv::vmbus::ChannelDevice, public std::enable_shared_from_this<Keyboard>, Served {
  public:
    enum class Stroke { Press, Release };
    static constexpr TurnLimits turn_limits{.packets = 16};

    /// `runner` outlives the keyboard.
    explicit Keyboard(hv::vmbus::Runner& runner) : worker_{*this, runner, turn_limits} {}

    [[nodiscard]] static hv::vmbus::OfferSpec offer();

    /// From any thread. False, and the stroke is lost, when no driver in the guest listens, it has left no
    /// room, or the keyboard is quiesced.
    bool strike(ScanCode code, Stroke stroke);

    void open(std::shared_ptr<hv::vmbus::Channel> channel) override;
    void signalled() override;
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
        std::uint16_t indicators = 0;
        std::uint64_t strokes = 0;
        std::uint64_t lost_strokes = 0;
        std::uint64_t ignored_packets = 0; ///< that mean nothing here

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"accepted", &State::accepted},
                              hv::StateField{"indicators", &State::indicators, hv::Shown::Yes},
                              hv::StateField{"strokes", &State::strokes, hv::Shown::Yes},
                              hv::StateField{"lost_strokes", &State::lost_strokes, hv::Shown::Yes},
                              hv::StateField{"ignored_packets", &State::ignored_packets, hv::Shown::Yes}};
        }
    };

    /// The keyboard and its end of the channel.
    struct Line {
        void take(hv::vmbus::Packet const& packet);
        void answer_request(hv::vmbus::Packet const& packet);

        std::shared_ptr<hv::vmbus::Channel> channel{};
        bool quiesced = false;
        State state{};
    };

    ChannelWorker worker_;
    Guarded<Line, LockRank::Channel> line_;
};

} // namespace devices::vmbus
