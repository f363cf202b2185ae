#include "vmm/kvm/memory_slots.hpp"

#include "vmm/kvm/kvm_ioctl.hpp"

#include <linux/kvm.h>

namespace vmm {

void MemorySlots::map(MemoryMapping const& mapping)
{
    std::lock_guard const guard{lock_};
    kvm_userspace_memory_region region{};
    region.slot = number_for(mapping);
    region.flags = (mapping.read_only ? KVM_MEM_READONLY : 0U) | (mapping.logs_writes ? KVM_MEM_LOG_DIRTY_PAGES : 0U);
    region.guest_phys_addr = mapping.base.value;
    region.memory_size = mapping.host.size();
    region.userspace_addr = reinterpret_cast<std::uintptr_t>(mapping.host.data());
    kvm_ioctl(vm_fd_, KVM_SET_USER_MEMORY_REGION, &region, "guest memory");
    free_.erase(region.slot);
    slots_.insert_or_assign(mapping.base.value, Slot{region.slot, region.memory_size, mapping.host.data()});
}

void MemorySlots::unmap(hv::Gpa base)
{
    std::lock_guard const guard{lock_};
    auto const found = slots_.find(base.value);
    if (found == slots_.end()) return;
    kvm_userspace_memory_region region{};
    region.slot = found->second.number;
    region.guest_phys_addr = base.value;
    kvm_ioctl(vm_fd_, KVM_SET_USER_MEMORY_REGION, &region, "to take guest memory back");
    free_.insert(region.slot);
    slots_.erase(found);
}

std::vector<std::uint64_t> MemorySlots::take_dirty_pages(hv::Gpa base)
{
    constexpr std::uint64_t pages_per_word = 64;
    std::lock_guard const guard{lock_};
    auto const found = slots_.find(base.value);
    if (found == slots_.end()) throw HypervisorError{"there is no memory whose dirty pages could be told"};
    auto const pages = found->second.size / hv::page_size;
    std::vector<std::uint64_t> bitmap((pages + pages_per_word - 1) / pages_per_word);
    kvm_dirty_log log{};
    log.slot = found->second.number;
    log.dirty_bitmap = bitmap.data();
    kvm_ioctl(vm_fd_, KVM_GET_DIRTY_LOG, &log, "a list of dirty pages");
    return bitmap;
}

/// KVM changes the flags of a slot that is there already, and leaves it where it is. It keeps slots in an array: low
/// numbers come first.
std::uint32_t MemorySlots::number_for(MemoryMapping const& mapping) const
{
    auto const found = slots_.find(mapping.base.value);
    bool const same = found != slots_.end() && found->second.size == mapping.host.size() &&
                      found->second.host == mapping.host.data();
    if (same) return found->second.number;
    return free_.empty() ? static_cast<std::uint32_t>(slots_.size()) : *free_.begin();
}

} // namespace vmm
