#include "vmm/memory/pc_memory.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace vmm {

PcMemory::PcMemory(MemoryLayout const& layout) : hot_add_{layout.hot_add()}, ram_{layout}
{
    for (auto const& range : ram_.ranges())
        if (range.guest != hot_add_)
            claims_.push_back(space_.claim(range.guest, {MemoryType::Ram, range.host}, "RAM"));

    auto const keep = [this](MemoryRange const& range, MemoryType type, char const* owner) {
        claims_.push_back(space_.claim(range, {type}, owner));
    };
    keep(layout::vmbus_mmio, MemoryType::Mmio, "VMBus devices");
    keep(layout::io_apic, MemoryType::Hole, "the I/O APIC");
    keep(layout::local_apics, MemoryType::Hole, "the local APICs");
    keep(layout::kvm_identity_map, MemoryType::Hole, "KVM's identity map");
    keep(layout::kvm_tss, MemoryType::Hole, "KVM's task state segment");
}

void PcMemory::add_video(std::shared_ptr<VideoMemory> memory)
{
    video_ = std::move(memory);
    if (!place_video(layout::vmbus_mmio.base.value))
        throw UserError{"this kernel's KVM cannot map a guest's video memory: leave --display out"};
}

/// What cannot be mapped is not worth a guest's end.
bool PcMemory::place_video(std::uint64_t address)
try {
    auto const bytes = video_->bytes();
    auto const room = layout::vmbus_mmio.size - bytes.size();
    if (address % hv::page_size != 0 || address - layout::vmbus_mmio.base.value > room) return false;
    if (address == video_at_) return true;
    MemoryRange const range{hv::Gpa{address}, bytes.size()};
    space_.change_overlay(video_claim_, {&range, 1}, {MemoryType::Video, bytes.data()}, "the display");
    video_at_ = address;
    return true;
} catch (std::exception const&) {
    return false;
}

std::byte* PcMemory::ram_at(hv::Gpa gpa) const
{
    auto const ranges = ram_.ranges();
    auto const range = std::ranges::find_if(
        ranges, [&](GuestRam::Range const& one) { return gpa.value - one.guest.base.value < one.guest.size; });
    return range == ranges.end() ? nullptr : range->host + (gpa.value - range->guest.base.value);
}

std::uint64_t PcMemory::ram_pages() const
{
    std::uint64_t bytes = 0;
    for (auto const& range : ram_.ranges())
        bytes += range.guest.size;
    return bytes / hv::page_size;
}

void PcMemory::add_ram(std::uint64_t bytes)
{
    if (bytes <= added_) return;
    MemoryRange const range{hv::Gpa{hot_add_.base.value + added_}, bytes - added_};
    claims_.push_back(space_.claim(range, {MemoryType::Ram, ram_at(range.base)}, "RAM"));
    added_ = bytes;
}

/// What is put over a page after this look at it hides the zeros, as it would have hidden the page.
bool PcMemory::discard(MemoryRange const& range) const
{
    auto* const ram = ram_at(range.base);
    return ram && memory().at(range.base, range.size) == ram && ram_.discard(ram, range.size);
}

} // namespace vmm
