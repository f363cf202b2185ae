/// What a guest posts to its host's end of the VMBus, until the executor comes to it.
#pragma once

#include "hv/abi/message.hpp"
#include "hv/base/state.hpp"
#include "hv/base/sync.hpp"
#include "hv/port/port.hpp"
#include "hv/vmbus/posted_message.hpp"

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <tuple>

namespace hv::vmbus {

class Inbox final : public PortHandler {
  public:
    /// From here on senders are told that all buffers are in use.
    static constexpr std::size_t capacity = 64;

    /// `filled` is called, on the sender's thread, when there is something in what was empty.
    explicit Inbox(std::function<void()> filled) : filled_{std::move(filled)} {}

    [[nodiscard]] std::optional<PostedMessage> take();

    [[nodiscard]] bool has_room() const override { return count_.load(std::memory_order_relaxed) < capacity; }
    void on_message(abi::MessageType type, std::span<std::byte const> payload) override;
    void on_event(unsigned) override {}

    [[nodiscard]] std::size_t size() const { return count_.load(std::memory_order_relaxed); }
    void visit(StateVisitor& visitor);

  private:
    struct State {
        std::deque<PostedMessage> messages{};

        static constexpr auto fields()
        {
            return std::tuple{StateField{"messages", &State::messages, Shown::No, 2 * capacity}};
        }
    };

    std::function<void()> const filled_;
    std::atomic<std::size_t> count_{0};
    Mutex<LockRank::Leaf> lock_;
    State state_; // guarded by lock_
};

} // namespace hv::vmbus
