/// A machine's RAM and ROM, mapped in its virtual machine as the address space has them.
#pragma once

#include "vmm/hypervisor/entry_gate.hpp"
#include "vmm/hypervisor/vm.hpp"
#include "vmm/memory/address_space.hpp"

namespace vmm {

/// A mapping neither grows nor shrinks, and none overlaps another: a section that is split goes before its parts
/// come. No vCPU is in the guest meanwhile: one that executed there, walked its page tables, or changed memory
/// atomically, could not be helped.
class VmMemory final : public AddressSpace::Listener {
  public:
    /// All outlive it. `gate` keeps the vCPUs of `vm`. Throws HypervisorError.
    VmMemory(Vm& vm, AddressSpace& space, EntryGate& gate);
    ~VmMemory() override;

  private:
    void map_changed(std::span<MemorySection const> removed, std::span<MemorySection const> added) override;
    void change(std::span<MemorySection const> removed, std::span<MemorySection const> added);

    Vm& vm_;
    AddressSpace& space_;
    EntryGate& gate_;
};

} // namespace vmm
