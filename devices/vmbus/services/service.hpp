/// What the integration services share: a channel on which the host asks and the guest answers, one question at a
/// time, after the two have agreed on versions.
#pragma once

#include "devices/base/lock_rank.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "devices/vmbus/channel/deferred_calls.hpp"
#include "devices/vmbus/services/protocol.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
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

/// The device of one service. What a kind of service adds is called with the lock held.
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

  protected:
    using Lock = Mutex<LockRank::Channel>;

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

    virtual void ready(DeferredCalls&) = 0; ///< versions are agreed on
    virtual void answered(Answer const& answer, DeferredCalls& deferred) = 0;
    virtual void closed(DeferredCalls&) {} ///< nothing that was asked is answered any more
    virtual void tick(DeferredCalls&) {}   ///< only while ready
    virtual void inspect_more(hv::Inspector&) const {}

    [[nodiscard]] bool is_ready() const { return state_ == State::Ready; }
    [[nodiscard]] bool waits_for_answer() const { return asked_.has_value(); }
    [[nodiscard]] ic::Version version() const { return version_; } ///< of messages, when ready
    /// Asks the guest. False when the guest has left no room for it, or has to answer first, or the service is
    /// quiesced.
    [[nodiscard]] bool ask(std::span<std::byte const> body);
    /// At most one is to come, whatever happens to the channel meanwhile.
    void tick_after(std::chrono::milliseconds delay);

    [[nodiscard]] Lock& mutex() const { return mutex_; }
    [[nodiscard]] hv::vmbus::Executor& executor() const { return executor_; }

  private:
    enum class State { Closed, Negotiating, Ready, NoCommonVersion };

    [[nodiscard]] Left serve(Turn& turn) final;
    [[nodiscard]] std::weak_ptr<void> owner() final { return weak_from_this(); }

    [[nodiscard]] std::string_view state_name() const;
    [[nodiscard]] bool send(ic::Header header, std::span<std::byte const> body);
    void negotiate();
    void take(hv::vmbus::Packet const& packet, DeferredCalls& deferred);
    [[nodiscard]] std::optional<Answer> answer_in(hv::vmbus::Packet const& packet) const;
    void take_versions(Answer const& answer, DeferredCalls& deferred);
    void on_tick();

    ServiceKind const& kind_;
    hv::vmbus::Executor& executor_;
    ChannelWorker worker_;

    mutable Lock mutex_;
    std::shared_ptr<hv::vmbus::Channel> channel_;
    State state_ = State::Closed;
    ic::Version framework_{};
    ic::Version version_{};
    std::optional<std::uint8_t> asked_; ///< the transaction of what is not answered yet
    std::uint8_t transaction_ = 0;
    bool tick_to_come_ = false;
    bool quiesced_ = false;
    bool tick_held_ = false; ///< it came while the service was quiesced

    std::uint64_t questions_ = 0;
    std::uint64_t answers_ = 0;
    std::uint64_t ignored_ = 0; ///< packets that were no answer
};

} // namespace devices::vmbus
