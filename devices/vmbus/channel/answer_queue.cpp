#include "devices/vmbus/channel/answer_queue.hpp"

#include <algorithm>
#include <cassert>

namespace devices::vmbus {

void AnswerQueue::send(hv::vmbus::OutgoingRing& ring, hv::abi::PacketType type, std::uint64_t transaction,
                       std::span<std::byte const> payload)
{
    if (waiting_.empty() && ring.write(type, 0, transaction, payload)) return;
    assert(payload.size() <= longest);
    Answer answer{type, transaction, {}, std::min(payload.size(), longest)};
    std::ranges::copy(payload.first(answer.size), answer.payload.begin());
    waiting_.push_back(answer);
}

bool AnswerQueue::flush(hv::vmbus::OutgoingRing& ring)
{
    while (!waiting_.empty()) {
        auto const& first = waiting_.front();
        if (!ring.write(first.type, 0, first.transaction, std::span{first.payload}.first(first.size))) return false;
        waiting_.pop_front();
    }
    return true;
}

} // namespace devices::vmbus
