/// A child's memory: pages of its parent's RAM, mapped in the child's virtual machine.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "hv/child/gpa_map.hpp"
#include "vmm/hypervisor/entry_gate.hpp"
#include "vmm/hypervisor/vm.hpp"
#include "vmm/memory/pc_memory.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace vmm {

/// A run of pages that the child may at least read costs its virtual machine one memory slot. KVM has 32,764 of them
/// (KVM_MEM_SLOTS_NUM), and a child's map is not so long (hv::ChildLimits).
class ChildMemory {
  public:
    ChildMemory(Vm& vm, std::shared_ptr<PcMemory> parents) : vm_{vm}, parents_{std::move(parents)} {}

    /// All of it, or false and nothing. One call at a time, while vCPUs run: none is in the child meanwhile.
    [[nodiscard]] bool change(hv::GpaChange const& change);

    /// As hv::ChildMachine says. What this process writes on the child's behalf is not seen. One call at a time,
    /// `change` among them.
    [[nodiscard]] bool access_states(std::uint64_t first, std::uint64_t flags, std::span<std::uint8_t> states);

    [[nodiscard]] EntryGate& gate() { return gate_; }
    /// What the child may read; and of it, what it may write to as well.
    [[nodiscard]] hv::GuestMemory const& readable() const { return readable_; }
    [[nodiscard]] hv::GuestMemory const& writable() const { return writable_; }

  private:
    struct Mapped {
        hv::GpaRun run;
        std::vector<std::uint64_t> dirty{}; ///< a bit a page, while it is looked at what the child writes to

        void set_all_dirty();
        [[nodiscard]] bool is_dirty(std::uint64_t page) const;
        void set_dirty(std::uint64_t page, bool is);
    };

    void begin_to_look();
    void look_at(Mapped& mapped);
    [[nodiscard]] std::vector<Mapped> look_at(std::span<hv::GpaRun const> runs);
    void carry_over(std::span<Mapped const> before, std::span<hv::GpaRun const> added);
    void tell(std::uint64_t first, std::uint64_t flags, std::span<std::uint8_t> states);
    void replace(std::span<hv::GpaRun const> removed, std::span<hv::GpaRun const> added);
    void map(hv::GpaRun const& run);
    [[nodiscard]] MemoryMapping mapping_of(hv::GpaRun const& run) const;
    void show();

    Vm& vm_;
    std::shared_ptr<PcMemory> const parents_;
    EntryGate gate_;
    bool looks_ = false;                     ///< at what the child writes to
    std::map<std::uint64_t, Mapped> mapped_; ///< by their first pages
    hv::GuestMemory readable_;
    hv::GuestMemory writable_;
};

} // namespace vmm
