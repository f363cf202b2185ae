#include "hv/child/doorbells.hpp"

#include "hv/child/gpa_map.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>

namespace hv {

std::optional<DoorbellTrigger> DoorbellTrigger::from(abi::DoorbellInfo const& info)
{
    constexpr std::array<std::uint8_t, 5> sizes{0, 1, 2, 4, 8};
    auto const code = info.flags & abi::DoorbellInfo::size_mask;
    if ((info.flags & ~(abi::DoorbellInfo::size_mask | abi::DoorbellInfo::any_value)) != 0) return std::nullopt;
    if (code >= sizes.size() || info.gpa / page_size >= GpaMap::pages) return std::nullopt;
    auto const size = sizes.at(code);
    if (info.gpa % page_size + size > page_size) return std::nullopt;
    bool const any_value = (info.flags & abi::DoorbellInfo::any_value) != 0;
    return DoorbellTrigger{info.gpa, size, any_value ? std::nullopt : std::optional{info.trigger_value}};
}

Status Doorbells::add(ConnectionId id, DoorbellTrigger const& trigger)
try {
    std::lock_guard const guard{lock_};
    if (by_trigger_.contains(trigger)) return Status::InvalidParameter;
    by_id_.insert_or_assign(id.value, trigger);
    try {
        by_trigger_.emplace(trigger, id);
    } catch (std::bad_alloc const&) {
        by_id_.erase(id.value);
        throw;
    }
    return Status::Success;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

bool Doorbells::remove(ConnectionId id)
{
    std::lock_guard const guard{lock_};
    auto const found = by_id_.find(id.value);
    if (found == by_id_.end()) return false;
    by_trigger_.erase(found->second);
    by_id_.erase(found);
    return true;
}

Doorbells::Rung Doorbells::rung_by(Gpa gpa, std::span<std::byte const> data) const
{
    Rung rung;
    std::uint64_t value = 0;
    std::memcpy(&value, data.data(), std::min(data.size(), sizeof value)); // little-endian
    std::lock_guard const guard{lock_};
    if (by_trigger_.empty()) return rung;
    for (auto const size : {static_cast<std::uint8_t>(data.size()), std::uint8_t{0}})
        for (auto const& wanted : {std::optional{value}, std::optional<std::uint64_t>{}})
            if (auto const found = by_trigger_.find({gpa.value, size, wanted}); found != by_trigger_.end())
                rung.ids.at(rung.count++) = found->second;
    return rung;
}

} // namespace hv
