/// What the integration services share: a channel on which the host asks and the guest answers, one question at a
/// time, after the two have agreed on versions.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "devices/vmbus/channel/deferred_calls.hpp"
#include "devices/vmbus/services/protocol.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace devices::vmbus {

/// What tells one service from another.
struct ServiceKind {
    std::string_view name;
    hv::vmbus::Guid interface;
    hv::vmbus::Guid instance;
    ic::MessageType message;
    std::span<ic::Version const> versions; ///< oldest first
};

/// The device of one service. What a kind of service adds is called with the line, and so with its lock held.
class Service : public hv::vmbus::ChannelDevice, public std::enable_shared_from_this<Service>, Served {
  public:
    static constexpr TurnLimits turn_limits{.packets = 16};

    [[nodiscard]] hv::vmbus::OfferSpec offer() const;
    /// Whether a driver in the guest has agreed on versions.
    [[nodiscard]] bool listens() const;

    void open(std::shared_ptr<hv::vmbus::Channel> channel) final;
    void signalled() final;
    void close() final;
    void quiesce(hv::StillBusy busy) final;
    void resume() final;
    void inspect(hv::Inspector& inspector) const final;
    void visit(hv::StateVisitor& visitor) final;

  protected:
    class Line;
    using GuardedLine = Guarded<Line, LockRank::Channel>;

    /// `kind` and `executor` outlive the service.
    Service(ServiceKind const& kind, hv::vmbus::Executor& executor)
        : kind_{kind}, executor_{executor}, worker_{*this, executor, turn_limits}
    {}

    /// An answer to the last question. The body may be shorter than asked for, and says what the guest wants it to.
    struct Answer {
        std::uint32_t status;
        std::span<std::byte const> body;

        template <typename T>
        [[nodiscard]] bool read(T& out, std::size_t offset = 0) const
        {
            if (offset > body.size() || sizeof(T) > body.size() - offset) return false;
            std::memcpy(&out, body.data() + offset, sizeof(T));
            return true;
        }
    };

    virtual void ready(Line&, DeferredCalls&) = 0; ///< versions are agreed on
    virtual void answered(Line&, Answer const& answer, DeferredCalls& deferred) = 0;
    virtual void closed(Line&, DeferredCalls&) {} ///< nothing that was asked is answered any more
    virtual void tick(Line&, DeferredCalls&) {}   ///< only while ready
    virtual void inspect_more(Line const&, hv::Inspector&) const {}
    virtual void visit_more(Line&, hv::StateVisitor& visitor) = 0; ///< what a kind of service has besides

    /// Asks the guest. False when the guest has left no room for it, or has to answer first, or the service is
    /// quiesced.
    [[nodiscard]] bool ask(Line& line, std::span<std::byte const> body) const;
    /// At most one is to come, whatever happens to the channel meanwhile.
    void tick_after(Line& line, std::chrono::milliseconds delay);

    [[nodiscard]] GuardedLine& line() { return line_; }
    [[nodiscard]] GuardedLine const& line() const { return line_; }
    [[nodiscard]] hv::vmbus::Executor& executor() const { return executor_; }

  private:
    enum class Step { Closed, Negotiating, Ready, NoCommonVersion };

    /// How far the two have come.
    struct Conversation {
        Step step = Step::Closed;
        ic::Version framework{};
        ic::Version version{};
        bool waits_for_answer = false;
        std::uint8_t transaction = 0; ///< of the last question
        bool tick_to_come = false;
        std::chrono::milliseconds tick_delay{}; ///< with which it was asked for
        bool tick_held = false;                 ///< it came while the service was quiesced
        std::uint64_t questions = 0;
        std::uint64_t answers = 0;
        std::uint64_t ignored_packets = 0; ///< that were no answer

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"step", &Conversation::step},
                              hv::StateField{"framework", &Conversation::framework},
                              hv::StateField{"version", &Conversation::version},
                              hv::StateField{"waits_for_answer", &Conversation::waits_for_answer, hv::Shown::Yes},
                              hv::StateField{"transaction", &Conversation::transaction},
                              hv::StateField{"tick_to_come", &Conversation::tick_to_come},
                              hv::StateField{"tick_delay", &Conversation::tick_delay},
                              hv::StateField{"tick_held", &Conversation::tick_held},
                              hv::StateField{"questions", &Conversation::questions, hv::Shown::Yes},
                              hv::StateField{"answers", &Conversation::answers, hv::Shown::Yes},
                              hv::StateField{"ignored_packets", &Conversation::ignored_packets, hv::Shown::Yes}};
        }
    };

  protected:
    /// The channel, and what is said on it.
    class Line {
      public:
        [[nodiscard]] bool is_ready() const { return talk_.step == Step::Ready; }
        [[nodiscard]] bool waits_for_answer() const { return talk_.waits_for_answer; }
        [[nodiscard]] ic::Version version() const { return talk_.version; } ///< of messages, when ready

      private:
        std::shared_ptr<hv::vmbus::Channel> channel_{};
        Conversation talk_{};
        bool quiesced_ = false;
        friend Service;
    };

  private:
    [[nodiscard]] Left serve(Turn& turn) final;
    [[nodiscard]] std::weak_ptr<void> owner() final { return weak_from_this(); }

    [[nodiscard]] static std::string_view name_of(Step step);
    void make_sense_of_restored(Line& line);
    [[nodiscard]] static bool send(Line& line, ic::Header header, std::span<std::byte const> body);
    void negotiate(Line& line) const;
    void take(Line& line, hv::vmbus::Packet const& packet, DeferredCalls& deferred);
    [[nodiscard]] std::optional<Answer> answer_in(Line const& line, hv::vmbus::Packet const& packet) const;
    void take_versions(Line& line, Answer const& answer, DeferredCalls& deferred);
    void on_tick();

    ServiceKind const& kind_;
    hv::vmbus::Executor& executor_;
    ChannelWorker worker_;
    GuardedLine line_;
};

} // namespace devices::vmbus
