/// A machine's RAM and ROM, mapped in its virtual machine as the address space has them.
#pragma once

#include "vmm/hypervisor/entry_gate.hpp"
#include "vmm/hypervisor/vm.hpp"
#include "vmm/memory/address_space.hpp"

#include <map>
#include <mutex>
#include <span>
#include <vector>

namespace vmm {

/// A mapping neither grows nor shrinks, and none overlaps another: a section that is split goes before its parts
/// come. No vCPU is in the guest meanwhile: one that executed there, walked its page tables, or changed memory
/// atomically, could not be helped.
class VmMemory final : public AddressSpace::Listener {
  public:
    /// All outlive it. `gate` keeps the vCPUs of `vm`. Throws HypervisorError.
    VmMemory(Vm& vm, AddressSpace& space, EntryGate& gate);
    ~VmMemory() override;

    /// From now on the guest's writes to RAM are noted; what it wrote before is not. Throws HypervisorError; nothing
    /// is noted then. From any thread, like the next two.
    void begin_log();
    /// The pages of RAM that the guest has written to, or that have come to lie there, since the last call or since
    /// begin_log: ascending runs that do not touch. What this process writes, for devices and hypercalls, is not
    /// among them.
    [[nodiscard]] std::vector<MemoryRange> take_log();
    void end_log();

  private:
    void map_changed(std::span<MemorySection const> removed, std::span<MemorySection const> added) override;
    void change(std::span<MemorySection const> removed, std::span<MemorySection const> added);
    void replace(std::span<MemorySection const> removed, std::span<MemorySection const> added);
    void map(MemorySection const& section);
    void unmap(MemorySection const& section);
    void set_logging(bool on);
    void keep_log_of(MemorySection const& section);

    Vm& vm_;
    AddressSpace& space_;
    EntryGate& gate_;
    std::mutex lock_;                         ///< the rest; after the address space's
    std::map<hv::Gpa, MemorySection> mapped_; ///< by where they begin
    bool logging_ = false;
    std::vector<MemoryRange> written_; ///< that are to be told, of mappings that are no more or are new
};

} // namespace vmm
