/// A machine's RAM and ROM, mapped in its virtual machine as the address space has them.
#pragma once

#include "vmm/hypervisor/vm.hpp"
#include "vmm/memory/address_space.hpp"

namespace vmm {

/// A mapping neither grows nor shrinks, and none overlaps another: a section that is split goes before its parts
/// come. A VP that reads or writes it in between has an MmioAccess, which VcpuThread answers from RAM; one that
/// executes there stops for good. So whoever splits memory in which VPs may execute takes them out of the guest
/// before.
class VmMemory final : public AddressSpace::Listener {
  public:
    /// Both outlive it. Throws HypervisorError.
    VmMemory(Vm& vm, AddressSpace& space);
    ~VmMemory() override;

  private:
    void map_changed(std::span<MemorySection const> removed, std::span<MemorySection const> added) override;

    Vm& vm_;
    AddressSpace& space_;
};

} // namespace vmm
