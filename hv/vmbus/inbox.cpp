#include "hv/vmbus/inbox.hpp"

#include "hv/abi/vmbus.hpp"

namespace hv::vmbus {

std::optional<PostedMessage> Inbox::take()
{
    std::lock_guard const guard{lock_};
    if (state_.messages.empty()) return std::nullopt;
    auto const message = state_.messages.front();
    state_.messages.pop_front();
    count_.store(state_.messages.size(), std::memory_order_relaxed);
    return message;
}

void Inbox::on_message(abi::MessageType type, std::span<std::byte const> payload)
{
    if (type != abi::vmbus_message) return;
    bool first = false;
    {
        std::lock_guard const guard{lock_};
        first = state_.messages.empty();
        state_.messages.push_back(PostedMessage::of(payload));
        count_.store(state_.messages.size(), std::memory_order_relaxed);
    }
    if (first) filled_();
}

void Inbox::visit(StateVisitor& visitor)
{
    std::lock_guard const guard{lock_};
    hv::visit(visitor, state_);
    count_.store(state_.messages.size(), std::memory_order_relaxed);
}

} // namespace hv::vmbus
