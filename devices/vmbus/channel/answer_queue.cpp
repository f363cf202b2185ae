#include "devices/vmbus/channel/answer_queue.hpp"

#include <algorithm>
#include <cassert>

namespace devices::vmbus {

void AnswerQueue::send(hv::vmbus::OutgoingRing& ring, hv::abi::PacketType type, std::uint64_t transaction,
                       std::span<std::byte const> payload)
{
    if (state_.waiting.empty() && ring.write(type, 0, transaction, payload)) return;
    keep(type, transaction, payload);
}

void AnswerQueue::keep(hv::abi::PacketType type, std::uint64_t transaction, std::span<std::byte const> payload)
{
    assert(payload.size() <= longest);
    Answer answer{type, transaction, {}, std::min(payload.size(), longest)};
    std::ranges::copy(payload.first(answer.size), answer.payload.begin());
    state_.waiting.push_back(answer);
}

bool AnswerQueue::flush(hv::vmbus::OutgoingRing& ring)
{
    while (!state_.waiting.empty()) {
        auto const& first = state_.waiting.front();
        if (!ring.write(first.type, 0, first.transaction, std::span{first.payload}.first(first.size))) return false;
        state_.waiting.pop_front();
    }
    return true;
}

void AnswerQueue::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    for (auto& answer : state_.waiting)
        answer.size = std::min(answer.size, longest);
}

} // namespace devices::vmbus
