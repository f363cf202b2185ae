/// A vCPU of a child, whose exits are its parent's to answer.
#pragma once

#include "hv/child/child_host.hpp"
#include "vmm/children/child_clock.hpp"
#include "vmm/children/child_memory.hpp"
#include "vmm/children/vcpu_pool.hpp"
#include "vmm/vcpu/vcpu_thread.hpp"

#include <atomic>
#include <functional>
#include <vector>

namespace vmm {

/// Leaves of CPUID as the model has them. Throws std::bad_alloc.
[[nodiscard]] std::vector<hv::CpuidEntry> models_leaves(std::span<CpuidEntry const> leaves);

class ChildVcpu final : public hv::ChildProcessor, ExitOwner {
  public:
    struct Place {
        Vcpu& vcpu;
        unsigned index;
        std::vector<CpuidEntry> const& cpuid;
        bool local_apic; ///< there is one
        ChildMemory& memory;
        ChildClock const& clock;
        PauseGate& pause; ///< of its parent's machine
    };

    /// `ended` is called by `end`, when it runs no more.
    ChildVcpu(Place place, VcpuPool::Lease thread, std::function<void()> ended);
    ~ChildVcpu() override;

    [[nodiscard]] hv::VpControl& control() override { return thread_; }
    [[nodiscard]] std::vector<hv::CpuidEntry> cpuid() const override { return models_leaves(place_.cpuid); }
    [[nodiscard]] bool set_cpuid(std::span<hv::CpuidEntry const> entries) override;
    [[nodiscard]] bool read_apic(hv::LocalApicPage& page) const override;
    [[nodiscard]] bool write_apic(hv::LocalApicPage const& page) override;
    [[nodiscard]] bool read_xsave(std::span<std::byte> area) const override { return place_.vcpu.read_xsave(area); }
    [[nodiscard]] bool write_xsave(std::span<std::byte const> area) override { return place_.vcpu.write_xsave(area); }
    void begin(hv::VirtualProcessor& vp, hv::VpSupervisor& supervisor) override;
    void end() override;

    /// Has it look whether its parent's machine is paused, or goes on. From any thread, before it has ended.
    void look_up();
    [[nodiscard]] VcpuThread& thread() { return thread_; }

  private:
    [[nodiscard]] bool suspends() const override { return supervisor_->suspended(); }
    [[nodiscard]] bool enters() override;
    void answer(exits::PortAccess const& io) override;
    void answer(exits::MmioAccess const& mmio) override;
    void answer(exits::MsrRead const& msr) override;
    void answer(exits::MsrWrite const& msr) override;
    void answer(exits::InterruptEnded ended) override { supervisor_->ended(ended.vector); }
    void answer(exits::Halted) override;
    void answer(exits::TripleFault) override;
    void answer(exits::Failed) override;

    Place const place_;
    VcpuPool::Lease lease_;
    std::function<void()> ended_;
    devices::PortBus const ports_; ///< nothing
    devices::MmioBus const mmio_;
    VcpuThread thread_;
    std::atomic<hv::VirtualProcessor*> vp_{nullptr};
    hv::VpSupervisor* supervisor_ = nullptr;
    std::uint64_t tsc_offset_; ///< that the clock had when the vCPU was last given it
    bool runs_ = false;
};

} // namespace vmm
