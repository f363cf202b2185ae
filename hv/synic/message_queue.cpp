#include "hv/synic/message_queue.hpp"

namespace hv {

void MessageQueue::push(MessageBuffer& buffer)
{
    buffer.next = nullptr;
    buffer.previous = tail_;
    (tail_ ? tail_->next : head_) = &buffer;
    tail_ = &buffer;
    ++size_;
}

void MessageQueue::remove(MessageBuffer& buffer)
{
    (buffer.previous ? buffer.previous->next : head_) = buffer.next;
    (buffer.next ? buffer.next->previous : tail_) = buffer.previous;
    buffer.next = buffer.previous = nullptr;
    --size_;
}

} // namespace hv
