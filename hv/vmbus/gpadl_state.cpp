// How GPADLs go elsewhere: by the numbers of their pages.
#include "hv/vmbus/gpadl_table.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace hv::vmbus {

namespace {

constexpr std::size_t most_bytes = 0xFFFF;      ///< of page numbers, as in a message
constexpr std::uint64_t most_gpadls = 1U << 20; ///< more than fit a guest's pool

/// Host addresses of pages back to their numbers.
class PageNumbers {
  public:
    explicit PageNumbers(GuestMemory const& memory) : regions_{memory.regions()} {}

    /// Nothing when one of them is not in the guest's map any more.
    [[nodiscard]] std::optional<std::vector<std::byte>> of(std::vector<std::byte*> const& pages) const
    {
        std::vector<std::byte> out;
        out.reserve(pages.size() * sizeof(std::uint64_t));
        for (auto const* const page : pages) {
            auto const region = std::ranges::find_if(regions_, [page](GuestMemory::Region const& candidate) {
                return page >= candidate.host && page < candidate.host + candidate.size;
            });
            if (region == regions_.end()) return std::nullopt;
            auto const number = (region->base.value + static_cast<std::uint64_t>(page - region->host)) / page_size;
            auto const bytes = std::as_bytes(std::span{&number, 1});
            out.insert(out.end(), bytes.begin(), bytes.end());
        }
        return out;
    }

  private:
    std::vector<GuestMemory::Region> regions_;
};

} // namespace

struct GpadlTable::Saved {
    std::uint32_t id = 0;
    std::uint32_t channel = 0;
    std::uint32_t byte_count = 0;
    std::uint32_t byte_offset = 0;
    bool torn_down = false;
    std::vector<std::byte> page_numbers{}; ///< those that have come; none of one that nobody uses

    static constexpr auto fields()
    {
        return std::tuple{StateField{"id", &Saved::id},
                          StateField{"channel", &Saved::channel},
                          StateField{"byte_count", &Saved::byte_count},
                          StateField{"byte_offset", &Saved::byte_offset},
                          StateField{"torn_down", &Saved::torn_down},
                          StateField{"page_numbers", &Saved::page_numbers, Shown::No, most_bytes}};
    }
};

/// One whose memory is not the guest's any more stays behind.
std::vector<GpadlTable::Saved> GpadlTable::saved() const
{
    std::vector<Saved> out;
    PageNumbers const numbers{guest_->memory()};
    auto const add = [&](GpadlId id, ChannelId channel, Gpadl const& gpadl, bool torn_down) {
        if (auto pages = numbers.of(gpadl.pages()))
            out.push_back(
                {id.value, channel.value, gpadl.size(), gpadl.first_offset(), torn_down, std::move(*pages)});
    };
    {
        std::lock_guard const guard{lock_};
        for (auto const& [id, entry] : entries_)
            add(id, entry.channel, *entry.gpadl, false);
    }
    for (auto const& [id, one] : unfinished_)
        if (auto pages = numbers.of(one.pages))
            out.push_back({id.value, one.channel.value, one.byte_count, one.byte_offset, false, std::move(*pages)});
    for (auto const& one : torn_down_) {
        auto const used = one.gpadl.lock();
        if (used)
            add(one.id, one.channel, *used, true);
        else
            out.push_back({one.id.value, one.channel.value, 0, 0, true, {}});
    }
    return out;
}

/// As if the guest had sent it again: nothing that was saved needs checks of its own.
GpadlTable::Progress GpadlTable::restore(Saved const& one)
{
    auto const count = (std::uint64_t{one.byte_offset} + one.byte_count + page_size - 1) / page_size;
    auto const range_bytes = sizeof(abi::GpaRange) + count * sizeof(std::uint64_t);
    if (range_bytes > most_bytes) return Progress::Refused;
    abi::GpadlHeader const header{{abi::ChannelMessageType::GpadlHeader, 0},
                                  one.channel,
                                  one.id,
                                  static_cast<std::uint16_t>(range_bytes),
                                  1,
                                  one.byte_count,
                                  one.byte_offset};
    return begin(header, one.page_numbers);
}

void GpadlTable::visit(StateVisitor& visitor)
{
    auto all = visitor.restores() ? std::vector<Saved>{} : saved();
    std::uint64_t count = all.size();
    visitor.number("count", count);
    count = std::min(count, most_gpadls);
    for (std::uint64_t i = 0; i < count; ++i) {
        Saved one = i < all.size() ? std::move(all[i]) : Saved{};
        hv::visit(visitor, std::to_string(i), one);
        if (!visitor.restores()) continue;
        bool const used = !one.torn_down || !one.page_numbers.empty();
        if (used && restore(one) == Progress::Refused) break;
        if (one.torn_down) torn_down_.push_back({GpadlId{one.id}, ChannelId{one.channel}, {}});
    }
}

std::vector<GpadlId> GpadlTable::restored_to_tear_down()
{
    std::vector<GpadlId> ids;
    for (auto const& one : std::exchange(torn_down_, {}))
        ids.push_back(one.id);
    return ids;
}

} // namespace hv::vmbus
