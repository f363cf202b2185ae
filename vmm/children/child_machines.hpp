/// The machines of the partitions that a guest makes by hypercall, and the guest's pages that are in their pools.
#pragma once

#include "hv/child/child_host.hpp"
#include "vmm/children/child_machine.hpp"
#include "vmm/children/page_runs.hpp"
#include "vmm/memory/pc_memory.hpp"

#include <memory>
#include <mutex>

namespace vmm {

class ChildMachines final : public hv::ChildHost {
  public:
    /// Begins as many threads as there may be VPs. What is in the world outlives the children. Throws
    /// std::system_error when the host has not so many, and UserError when a library is not there.
    ChildMachines(ChildrenWorld const& world, std::shared_ptr<PcMemory> memory);
    ~ChildMachines() override;

    /// The guest is being paused, or goes on: its children do as it does. From any thread.
    void look_up();

    [[nodiscard]] hv::ChildLimits limits() const override { return origin_.limits(); }
    [[nodiscard]] std::unique_ptr<hv::ChildMachine> create(bool local_apics) override
    {
        return origin_.make(local_apics);
    }

    /// Pages that are taken out are holes in the guest's memory. Each run of them costs it memory slots: there are
    /// `most_runs`.
    [[nodiscard]] bool hide(std::span<std::uint64_t const> pages) override;
    void show(std::span<std::uint64_t const> pages) override;

    static constexpr std::size_t most_runs = 1024;

  private:
    void put_into_effect(PageRuns runs);

    ChildrenWorld const world_;
    std::shared_ptr<PcMemory> const memory_;
    ChildOrigin const origin_;
    std::mutex lock_; ///< the rest; before the address space's
    PageRuns hidden_;
    AddressSpace::Claim holes_;
};

} // namespace vmm
