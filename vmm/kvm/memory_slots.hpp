/// The memory slots of one virtual machine (KVM_SET_USER_MEMORY_REGION).
#pragma once

#include "vmm/hypervisor/vm.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <vector>

namespace vmm {

/// From any thread.
class MemorySlots {
  public:
    explicit MemorySlots(int vm_fd) : vm_fd_{vm_fd} {}

    /// As the functions of Vm.
    void map(MemoryMapping const& mapping);
    void unmap(hv::Gpa base);
    [[nodiscard]] std::vector<std::uint64_t> take_dirty_pages(hv::Gpa base);

  private:
    struct Slot {
        std::uint32_t number;
        std::uint64_t size;
        std::byte const* host;
    };

    [[nodiscard]] std::uint32_t number_for(MemoryMapping const& mapping) const;

    int const vm_fd_;
    std::mutex lock_;                     // the next
    std::map<std::uint64_t, Slot> slots_; ///< by the address where they begin
    std::set<std::uint32_t> free_;        ///< numbers that have been in use
};

} // namespace vmm
