#include "hv/vmbus/inbox.hpp"

#include "hv/abi/vmbus.hpp"

#include <algorithm>

namespace hv::vmbus {

Inbox::PendingMessage::PendingMessage(std::span<std::byte const> payload)
    : size_{std::min(payload.size(), bytes_.size())}
{
    std::ranges::copy(payload.first(size_), bytes_.begin());
}

std::optional<Inbox::PendingMessage> Inbox::take()
{
    std::lock_guard const guard{lock_};
    if (messages_.empty()) return std::nullopt;
    auto const message = messages_.front();
    messages_.pop_front();
    count_.store(messages_.size(), std::memory_order_relaxed);
    return message;
}

void Inbox::on_message(abi::MessageType type, std::span<std::byte const> payload)
{
    if (type != abi::vmbus_message) return;
    bool first = false;
    {
        std::lock_guard const guard{lock_};
        first = messages_.empty();
        messages_.emplace_back(payload);
        count_.store(messages_.size(), std::memory_order_relaxed);
    }
    if (first) filled_();
}

} // namespace hv::vmbus
