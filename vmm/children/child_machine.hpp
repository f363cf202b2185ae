/// The machine of one child: a virtual machine of its own over its parent's memory.
#pragma once

#include "hv/child/child_host.hpp"
#include "vmm/children/builder.hpp"
#include "vmm/children/child_clock.hpp"
#include "vmm/children/child_memory.hpp"
#include "vmm/children/child_vcpu.hpp"
#include "vmm/children/parent_memory.hpp"
#include "vmm/children/vcpu_pool.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/options/run_options.hpp"
#include "vmm/vcpu/guest_cpuid.hpp"
#include "vmm/vcpu/pause_gate.hpp"

#include <algorithm>
#include <bitset>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace vmm {

/// What the children of one guest share, and theirs.
struct ChildrenWorld {
    Hypervisor const& hypervisor;
    TscClock const& clock; ///< the guest's
    PauseGate& pause;      ///< likewise
    ChildrenOptions options;
    bool kernel_timers = false; ///< the hypervisor below runs what it can of their timers

    [[nodiscard]] unsigned most_vps() const { return std::max(options.vps, 1U); }
};

class ChildMachine;

/// Those that there are. From any thread.
class ChildMachineList {
  public:
    explicit ChildMachineList(unsigned most) : most_{most} {}

    /// Room for one more, until `give_back`. False when there are as many as may be.
    [[nodiscard]] bool take_room();
    void give_back();
    void add(ChildMachine& machine);
    void remove(ChildMachine& machine);
    /// Has all their vCPUs look whether the parent's machine is paused.
    void look_up();

  private:
    unsigned const most_;
    std::mutex lock_; // the next two
    unsigned taken_ = 0;
    std::set<ChildMachine*> machines_;
};

/// Who makes children, and runs them; these may outlive their parent's machine for a moment.
struct ChildrenWorkers {
    explicit ChildrenWorkers(ChildrenOptions const& options) : threads{options.vps}, machines{options.partitions} {}

    Builder builder;
    VcpuPool threads;
    ChildMachineList machines;
};

/// Where a child comes from.
struct ChildOrigin {
    ChildrenWorld const& world; ///< which it copies
    std::shared_ptr<ChildrenWorkers> workers;
    std::shared_ptr<ParentMemory> parents;

    /// Makes one. nullptr when the host has no room, or there are as many as the user allows.
    [[nodiscard]] std::unique_ptr<hv::ChildMachine> make(bool local_apics) const;
    /// KVM keeps tables for all pages of a slot, in shadow paging eight bytes for each: a child that has all of the
    /// guest's memory, here and there twice, has enough pages.
    [[nodiscard]] hv::ChildLimits limits() const
    {
        return {.partitions = world.options.partitions, .vps = world.options.vps, .pages = 2 * parents->ram_pages()};
    }
};

class ChildMachine final : public hv::ChildMachine, hv::ChildHost, hv::InterruptSink, hv::MachineControl {
  public:
    /// Throws HypervisorError or UserError when the host has no room for it. On the builder's thread. There is room
    /// for it in the list, which is given back at its end.
    ChildMachine(ChildOrigin origin, bool local_apics);
    ~ChildMachine() override;

    static constexpr std::size_t most_runs_below = 1024; ///< of the map of one of its children

    /// Has its vCPUs look whether the parent's machine is paused. From any thread.
    void look_up();

    [[nodiscard]] hv::GuestMemory const& memory() const override { return memory_->writable(); }
    [[nodiscard]] std::span<hv::CpuidEntry const> leaves() const override { return leaves_; }
    [[nodiscard]] hv::Clock const& clock() const override { return clock_; }
    [[nodiscard]] hv::InterruptSink& interrupts() override { return *this; }
    [[nodiscard]] hv::MachineControl& control() override { return *this; }
    [[nodiscard]] hv::ChildHost* children() override { return this; }
    [[nodiscard]] std::unique_ptr<hv::ChildProcessor> add_processor(hv::VpIndex index, hv::Rights const& rights,
                                                                    hv::ReferenceTime const& time) override;
    [[nodiscard]] bool change_memory(hv::GpaChange const& change) override { return memory_->change(change); }
    [[nodiscard]] bool access_states(std::uint64_t first, std::uint64_t flags,
                                     std::span<std::uint8_t> states) override
    {
        return memory_->access_states(first, flags, states);
    }

  private:
    struct Processor;

    [[nodiscard]] Processor const& processor(unsigned index, hv::Rights const& rights, hv::ReferenceTime const& time);
    void reset(Processor const& processor, unsigned index) const;
    void forget(unsigned index);
    void watch_eois(std::uint8_t vector);

    void assert_vector(hv::VpIndex vp, std::uint8_t vector, bool auto_eoi) override;
    void send(hv::VirtualInterrupt const& interrupt) override;
    [[nodiscard]] bool tells_eois() const override { return local_apics_; }

    // Its own children.
    /// Whatever its parent changes of its memory is changed in theirs, in one call: their maps are shorter.
    [[nodiscard]] hv::ChildLimits limits() const override
    {
        auto limits = as_origin().limits();
        limits.runs = most_runs_below;
        return limits;
    }
    [[nodiscard]] std::unique_ptr<hv::ChildMachine> create(bool local_apics) override
    {
        return as_origin().make(local_apics);
    }
    [[nodiscard]] bool hide(std::span<std::uint64_t const> pages) override { return memory_->hide(pages); }
    void show(std::span<std::uint64_t const> pages) override { memory_->show(pages); }
    [[nodiscard]] ChildOrigin as_origin() const { return {world_, workers_, memory_}; }

    void external_interrupt_waits(hv::VpIndex vp) override;
    void retry_messages_later(hv::VpIndex) override {} // EOM and the next post deliver as well
    void reset() override {}
    void report_crash(hv::CrashReport const&) override {}
    [[nodiscard]] bool set_tsc(std::uint64_t tsc) override;

    /// As a processor is after a reset.
    struct ResetState {
        SystemRegisters system;
        LocalApicPage apic;
    };
    struct Processor {
        Vcpu* vcpu = nullptr;
        ResetState reset;
        std::vector<CpuidEntry> cpuid; ///< as its parent has changed nothing
        ChildVcpu* running = nullptr;  ///< whose it is now
    };

    ChildrenWorld const world_;
    std::shared_ptr<ChildrenWorkers> const workers_;
    bool const local_apics_;
    ChildClock clock_;
    std::vector<hv::CpuidEntry> const leaves_;
    std::unique_ptr<Vm> vm_;
    std::shared_ptr<ChildMemory> memory_;      ///< its children's too, which may end after it
    std::mutex lock_;                          ///< the next
    std::map<unsigned, Processor> processors_; ///< by index; a vCPU stays when its VP goes
    std::mutex eoi_lock_;                      ///< the next
    std::bitset<256> level_triggered_;         ///< vectors that have been so
};

} // namespace vmm
