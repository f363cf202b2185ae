/// Messages of a VMBus to its guest, in order. Those that find all sixteen buffers of the guest's port in use wait
/// here.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/state.hpp"
#include "hv/partition/partition.hpp"
#include "hv/vmbus/posted_message.hpp"
#include "hv/vmbus/tasks.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <tuple>

namespace hv::vmbus {

/// Used on the executor only.
class Outbox {
  public:
    /// `emptied` is called when messages have waited and none does any more.
    Outbox(std::shared_ptr<Partition> guest, Tasks tasks, std::function<void()> emptied);
    ~Outbox();
    Outbox(Outbox const&) = delete;
    Outbox& operator=(Outbox const&) = delete;

    /// From now on messages go to this VP. What waits is dropped: it was for whoever listened before. False when the
    /// guest's pool has no room or it has taken the port's ID.
    [[nodiscard]] bool address(VpIndex vp, Sint sint);

    template <typename T>
    void send(T const& message)
    {
        send_bytes(std::as_bytes(std::span{&message, 1}));
    }

    [[nodiscard]] std::size_t waiting() const { return state_.waiting.size(); }

    /// Nothing is posted between the two.
    void hold() { held_ = true; }
    void release();
    /// Restored while held.
    void visit(StateVisitor& visitor);

  private:
    static constexpr std::size_t most_restored = 4096; ///< more than all offers

    struct State {
        bool addressed = false;
        std::uint32_t vp = 0;
        std::uint32_t sint = 0;
        std::deque<PostedMessage> waiting{};

        static constexpr auto fields()
        {
            return std::tuple{StateField{"addressed", &State::addressed}, StateField{"vp", &State::vp},
                              StateField{"sint", &State::sint},
                              StateField{"waiting", &State::waiting, Shown::No, most_restored}};
        }
    };

    void send_bytes(std::span<std::byte const> payload);
    void flush();
    void retry_later();
    void disconnect();

    static constexpr std::chrono::milliseconds first_interval{1};
    static constexpr std::chrono::milliseconds last_interval{64};

    std::shared_ptr<Partition> const guest_;
    Tasks const tasks_;
    std::function<void()> const emptied_;
    std::optional<ConnectionId> connection_;
    State state_;
    bool held_ = false;
    bool waited_ = false;
    bool retrying_ = false;
    std::chrono::milliseconds interval_ = first_interval;
};

} // namespace hv::vmbus
