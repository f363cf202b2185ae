#include "hv/vmbus/gpadl_table.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hv::vmbus {

namespace {

constexpr std::uint64_t entry_charge = 256; ///< bytes, besides eight for each page

} // namespace

class GpadlTable::Charge {
  public:
    Charge(std::weak_ptr<Partition> guest, std::uint64_t bytes) : guest_{std::move(guest)}, bytes_{bytes} {}
    Charge(Charge const&) = delete;
    Charge& operator=(Charge const&) = delete;
    ~Charge()
    {
        if (auto const guest = guest_.lock()) guest->pool().release(bytes_);
    }

  private:
    std::weak_ptr<Partition> const guest_;
    std::uint64_t const bytes_;
};

/// One range, as the drivers of Linux and Windows hand over their memory. Its length bounds everything: range_bytes
/// has sixteen bits, which is for 32 MiB.
GpadlTable::Progress GpadlTable::begin(abi::GpadlHeader const& header, std::span<std::byte const> page_numbers)
{
    GpadlId const id{header.gpadl};
    if (header.range_count != 1 || header.byte_count == 0 || header.byte_offset >= page_size)
        return Progress::Refused;
    auto const count = (std::uint64_t{header.byte_offset} + header.byte_count + page_size - 1) / page_size;
    if (header.range_bytes != sizeof(abi::GpaRange) + count * sizeof(std::uint64_t)) return Progress::Refused;
    {
        std::lock_guard const guard{lock_};
        if (entries_.contains(id)) return Progress::Refused;
    }
    if (unfinished_.contains(id)) return Progress::Refused;

    auto const bytes = entry_charge + count * sizeof(std::byte*);
    if (!guest_->pool().charge(bytes)) return Progress::Refused;
    auto charge = std::make_shared<Charge>(guest_, bytes);
    auto& unfinished = unfinished_[id];
    unfinished = {ChannelId{header.channel}, header.byte_count, header.byte_offset, count, {}, std::move(charge)};
    unfinished.pages.reserve(count);
    return add_pages(id, unfinished, page_numbers);
}

GpadlTable::Progress GpadlTable::go_on(GpadlId id, std::span<std::byte const> page_numbers, ChannelId& channel)
{
    auto const found = unfinished_.find(id);
    if (found == unfinished_.end()) return Progress::More; // refused already, or never begun
    channel = found->second.channel;
    return add_pages(id, found->second, page_numbers);
}

GpadlTable::Progress GpadlTable::add_pages(GpadlId id, Unfinished& unfinished,
                                           std::span<std::byte const> page_numbers)
{
    for (; page_numbers.size() >= sizeof(std::uint64_t) && unfinished.pages.size() < unfinished.page_count;
         page_numbers = page_numbers.subspan(sizeof(std::uint64_t))) {
        std::uint64_t number = 0;
        std::memcpy(&number, page_numbers.data(), sizeof number);
        auto* const page =
            number <= ~std::uint64_t{0} / page_size ? guest_->memory().page(Gpa{number * page_size}) : nullptr;
        if (!page) {
            unfinished_.erase(id);
            return Progress::Refused;
        }
        unfinished.pages.push_back(page);
    }
    if (unfinished.pages.size() < unfinished.page_count) return Progress::More;

    auto gpadl = std::make_shared<Gpadl>(std::move(unfinished.pages), unfinished.byte_offset, unfinished.byte_count,
                                         std::move(unfinished.charge));
    auto const channel = unfinished.channel;
    unfinished_.erase(id);
    std::lock_guard const guard{lock_};
    entries_[id] = {channel, std::move(gpadl)};
    return Progress::Complete;
}

std::shared_ptr<Gpadl const> GpadlTable::find(ChannelId channel, GpadlId id) const
{
    std::lock_guard const guard{lock_};
    auto const found = entries_.find(id);
    return found == entries_.end() || found->second.channel != channel ? nullptr : found->second.gpadl;
}

void GpadlTable::tear_down(GpadlId id, std::function<void()> unused)
{
    unfinished_.erase(id);
    ChannelId channel;
    std::shared_ptr<Gpadl> gpadl;
    {
        std::lock_guard const guard{lock_};
        if (auto const found = entries_.find(id); found != entries_.end()) {
            channel = found->second.channel;
            gpadl = std::move(found->second.gpadl);
            entries_.erase(found);
        }
    }
    torn_down_.push_back({id, channel, gpadl});
    if (!gpadl) return unused();
    gpadl->on_unused(std::move(unused));
}

void GpadlTable::told(GpadlId id)
{
    auto const found = std::ranges::find(torn_down_, id, &TornDown::id);
    if (found != torn_down_.end()) torn_down_.erase(found);
}

void GpadlTable::clear()
{
    unfinished_.clear();
    torn_down_.clear();
    std::map<GpadlId, Entry> gone;
    std::lock_guard const guard{lock_};
    gone.swap(entries_);
}

std::size_t GpadlTable::size() const
{
    std::lock_guard const guard{lock_};
    return entries_.size();
}

} // namespace hv::vmbus
