/// The machine of one child: a virtual machine of its own over its parent's memory.
#pragma once

#include "hv/child/child_host.hpp"
#include "vmm/children/builder.hpp"
#include "vmm/children/child_clock.hpp"
#include "vmm/children/child_memory.hpp"
#include "vmm/children/child_vcpu.hpp"
#include "vmm/children/vcpu_pool.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/vcpu/guest_cpuid.hpp"
#include "vmm/vcpu/pause_gate.hpp"

#include <bitset>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace vmm {

/// What the children of one guest share.
struct ChildrenWorld {
    Hypervisor const& hypervisor;
    std::shared_ptr<PcMemory> memory; ///< the guest's
    TscClock const& clock;            ///< likewise
    PauseGate& pause;                 ///< likewise
    unsigned most_vps;
};

class ChildMachine;

/// Those that there are. From any thread.
class ChildMachineList {
  public:
    void add(ChildMachine& machine);
    void remove(ChildMachine& machine);
    /// Has all their vCPUs look whether the parent's machine is paused.
    void look_up();

  private:
    std::mutex lock_; // the next
    std::set<ChildMachine*> machines_;
};

/// Who makes children, and runs them; these may outlive their parent's machine for a moment.
struct ChildrenWorkers {
    explicit ChildrenWorkers(unsigned vps) : threads{vps} {}

    Builder builder;
    VcpuPool threads;
    ChildMachineList machines;
};

class ChildMachine final : public hv::ChildMachine, hv::InterruptSink, hv::MachineControl {
  public:
    /// Throws HypervisorError or UserError when the host has no room for it. On the builder's thread.
    ChildMachine(ChildrenWorld const& world, std::shared_ptr<ChildrenWorkers> workers, bool local_apics);
    ~ChildMachine() override;

    /// Has its vCPUs look whether the parent's machine is paused. From any thread.
    void look_up();

    [[nodiscard]] hv::GuestMemory const& memory() const override { return memory_->writable(); }
    [[nodiscard]] std::span<hv::CpuidEntry const> leaves() const override { return leaves_; }
    [[nodiscard]] hv::Clock const& clock() const override { return clock_; }
    [[nodiscard]] hv::InterruptSink& interrupts() override { return *this; }
    [[nodiscard]] hv::MachineControl& control() override { return *this; }
    [[nodiscard]] hv::ChildHost* children() override { return nullptr; }
    [[nodiscard]] std::unique_ptr<hv::ChildProcessor> add_processor(hv::VpIndex index,
                                                                    hv::Rights const& rights) override;
    [[nodiscard]] bool change_memory(hv::GpaChange const& change) override { return memory_->change(change); }
    [[nodiscard]] bool access_states(std::uint64_t first, std::uint64_t flags,
                                     std::span<std::uint8_t> states) override
    {
        return memory_->access_states(first, flags, states);
    }

  private:
    struct Processor;

    [[nodiscard]] Processor const& processor(unsigned index, hv::Rights const& rights);
    void reset(Processor const& processor, unsigned index) const;
    void forget(unsigned index);
    void watch_eois(std::uint8_t vector);

    void assert_vector(hv::VpIndex vp, std::uint8_t vector, bool auto_eoi) override;
    void send(hv::VirtualInterrupt const& interrupt) override;
    [[nodiscard]] bool tells_eois() const override { return local_apics_; }
    void external_interrupt_waits(hv::VpIndex vp) override;
    void retry_messages_later(hv::VpIndex) override {} // EOM and the next post deliver as well
    void reset() override {}
    void report_crash(hv::CrashReport const&) override {}
    [[nodiscard]] bool set_tsc(std::uint64_t tsc) override { return clock_.set(tsc); }

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
    std::unique_ptr<ChildMemory> memory_;
    std::mutex lock_;                          ///< the next
    std::map<unsigned, Processor> processors_; ///< by index; a vCPU stays when its VP goes
    std::mutex eoi_lock_;                      ///< the next
    std::bitset<256> level_triggered_;         ///< vectors that have been so
};

} // namespace vmm
