#include "vmm/memory/pc_memory.hpp"

#include <algorithm>

namespace vmm {

PcMemory::PcMemory(MemoryLayout const& layout) : ram_{layout}
{
    for (auto const& range : ram_.ranges())
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

std::byte* PcMemory::ram_at(hv::Gpa gpa) const
{
    auto const ranges = ram_.ranges();
    auto const range = std::ranges::find_if(
        ranges, [&](GuestRam::Range const& one) { return gpa.value - one.guest.base.value < one.guest.size; });
    return range == ranges.end() ? nullptr : range->host + (gpa.value - range->guest.base.value);
}

} // namespace vmm
