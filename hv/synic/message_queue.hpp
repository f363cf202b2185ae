/// Messages on their way to a busy slot (TLFS 2.0a §14.2.1, §14.2.2).
#pragma once

#include "hv/abi/message.hpp"
#include "hv/abi/port.hpp"
#include "hv/abi/types.hpp"

#include <array>
#include <atomic>
#include <cstddef>

namespace hv {

class Synic;

/// A message buffer. It belongs to a port or to a timer; while `in_use` it is also a member of one SynIC's queue and
/// guarded by that SynIC's lock. Only its owner takes it; only the SynIC, under its lock, gives it back.
struct MessageBuffer {
    abi::Message message;
    MessageBuffer* next = nullptr;
    MessageBuffer* previous = nullptr;
    Synic* synic = nullptr; ///< where it is, or last was, queued; written by the owner's side only
    Sint sint{};
    std::atomic<bool> in_use{false};
};

/// A port's sixteen buffers.
using PortBuffers = std::array<MessageBuffer, abi::message_buffers_per_port>;

/// First in, first out, and out of the middle when a port is deleted. Guarded by its SynIC.
class MessageQueue {
  public:
    [[nodiscard]] bool empty() const { return !head_; }
    [[nodiscard]] MessageBuffer* front() const { return head_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    void push(MessageBuffer& buffer);
    void remove(MessageBuffer& buffer);

  private:
    MessageBuffer* head_ = nullptr;
    MessageBuffer* tail_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace hv
