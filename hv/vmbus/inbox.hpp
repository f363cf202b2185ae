/// What a guest posts to its host's end of the VMBus, until the executor comes to it.
#pragma once

#include "hv/abi/message.hpp"
#include "hv/base/sync.hpp"
#include "hv/port/port.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <span>

namespace hv::vmbus {

class Inbox final : public PortHandler {
  public:
    /// From here on senders are told that all buffers are in use.
    static constexpr std::size_t capacity = 64;

    class PendingMessage {
      public:
        explicit PendingMessage(std::span<std::byte const> payload);
        [[nodiscard]] std::span<std::byte const> bytes() const { return std::span{bytes_}.first(size_); }

      private:
        std::array<std::byte, abi::max_payload> bytes_{};
        std::size_t size_;
    };

    /// `filled` is called, on the sender's thread, when there is something in what was empty.
    explicit Inbox(std::function<void()> filled) : filled_{std::move(filled)} {}

    [[nodiscard]] std::optional<PendingMessage> take();

    [[nodiscard]] bool has_room() const override { return count_.load(std::memory_order_relaxed) < capacity; }
    void on_message(abi::MessageType type, std::span<std::byte const> payload) override;
    void on_event(unsigned) override {}

  private:
    std::function<void()> const filled_;
    std::atomic<std::size_t> count_{0};
    Mutex<LockRank::Leaf> lock_;
    std::deque<PendingMessage> messages_; // guarded by lock_
};

} // namespace hv::vmbus
