#include "hv/vmbus/inbox.hpp"

#include "hv/abi/vmbus.hpp"

#include <algorithm>

namespace hv::vmbus {

Inbox::Letter::Letter(std::span<std::byte const> payload) : size_{std::min(payload.size(), bytes_.size())}
{
    std::ranges::copy(payload.first(size_), bytes_.begin());
}

std::optional<Inbox::Letter> Inbox::take()
{
    std::lock_guard const guard{lock_};
    if (letters_.empty()) return std::nullopt;
    auto const letter = letters_.front();
    letters_.pop_front();
    count_.store(letters_.size(), std::memory_order_relaxed);
    return letter;
}

void Inbox::on_message(abi::MessageType type, std::span<std::byte const> payload)
{
    if (type != abi::vmbus_message) return;
    bool first = false;
    {
        std::lock_guard const guard{lock_};
        first = letters_.empty();
        letters_.emplace_back(payload);
        count_.store(letters_.size(), std::memory_order_relaxed);
    }
    if (first) filled_();
}

} // namespace hv::vmbus
