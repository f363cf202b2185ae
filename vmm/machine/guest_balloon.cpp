#include "vmm/machine/guest_balloon.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <utility>

namespace vmm {

namespace {

using devices::vmbus::Balloon;
using devices::vmbus::PageRange;

static_assert(Balloon::hot_add_block * hv::page_size == layout::hot_add_block);

PageRange pages_of(MemoryRange const& range)
{
    return {range.base.value / hv::page_size, range.size / hv::page_size};
}

Balloon::Layout pages_of(MemoryLayout const& layout, std::uint64_t most)
{
    Balloon::Layout pages{.at_start = {}, .most = most / hv::page_size, .hot_add = pages_of(layout.hot_add())};
    for (auto const& range : layout.ram())
        pages.at_start.push_back(pages_of(range));
    return pages;
}

} // namespace

GuestBalloon::GuestBalloon(hv::vmbus::Bus& bus, PcMemory& memory, MemoryLayout const& layout, std::uint64_t most,
                           std::shared_ptr<hv::Partition> partition)
    : memory_{memory},
      partition_{std::move(partition)},
      balloon_{std::make_shared<Balloon>(bus.runner(), static_cast<PageTaker&>(*this), pages_of(layout, most))}
{
    bus.offer(Balloon::offer(), balloon_);
}

GuestBalloon::Status GuestBalloon::status() const
{
    auto const status = balloon_->status();
    auto const bytes = [](std::uint64_t pages) { // a guest says what it likes
        return std::min(pages, ~std::uint64_t{0} / hv::page_size) * hv::page_size;
    };
    return {status.listens,          bytes(status.has),       bytes(status.wanted),     status.has_reported,
            bytes(status.available), bytes(status.committed), status.pressure_percent()};
}

/// The memory comes before the guest hears of it.
void GuestBalloon::resize(std::uint64_t bytes)
{
    auto const pages = bytes / hv::page_size;
    auto const backed = balloon_->status().listens ? balloon_->backing_for(pages) : 0;
    memory_.add_ram(backed * hv::page_size);
    switch (balloon_->aim(pages, backed)) {
    case Balloon::Aim::Taken: return;
    case Balloon::Aim::NoDriver:
        throw UserError{"no driver in the guest listens: it needs hv_balloon, or one like it"};
    case Balloon::Aim::NoHotAdd: throw UserError{"the guest takes no more memory than it has had"};
    }
}

/// What its registers and the hypervisor have put over the guest's pages stays. That a device may be writing to a
/// page is the guest's loss: the page stays mapped, and takes memory again.
void GuestBalloon::take(std::vector<PageRange>& ranges)
{
    auto overlays = partition_->overlay_pages();
    std::ranges::sort(overlays);
    std::erase_if(ranges, [&](PageRange const& range) {
        auto const overlay = std::ranges::lower_bound(overlays, range.first);
        if (overlay != overlays.end() && *overlay < range.first + range.count) return true;
        return !memory_.discard({hv::Gpa{range.first * hv::page_size}, range.count * hv::page_size});
    });
}

} // namespace vmm
