/// A virtual machine of KVM: its vCPUs, memory slots, interrupt controllers, and the filter that brings synthetic
/// MSRs to user space.
#pragma once

#include "vmm/host/unique_fd.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/kvm/kernel_timers.hpp"
#include "vmm/kvm/kvm_vcpu.hpp"
#include "vmm/kvm/memory_slots.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace vmm {

class KvmHost;

class KvmVm final : public Vm {
  public:
    /// Throws UserError or HypervisorError. `host` outlives it.
    KvmVm(KvmHost const& host, VmConfig const& config);

    [[nodiscard]] int fd() const { return fd_.get(); }

    [[nodiscard]] Vcpu& add_vcpu(unsigned index) override;
    void map(MemoryMapping const& mapping) override { slots_.map(mapping); }
    void unmap(hv::Gpa base) override { slots_.unmap(base); }
    [[nodiscard]] std::vector<std::uint64_t> take_dirty_pages(hv::Gpa base) override
    {
        return slots_.take_dirty_pages(base);
    }
    void signal_msi(std::uint32_t apic_id, std::uint8_t vector) override;
    void signal_msi(hv::VirtualInterrupt const& interrupt) override;
    void watch_eois(std::uint8_t vector) override;
    void write_msi(std::uint64_t address, std::uint32_t data) override;
    void set_irq_line(std::uint32_t gsi, bool asserted) override;
    [[nodiscard]] std::unique_ptr<Doorbell> add_doorbell(DoorbellAddress const& address, int event_fd) override;
    void accelerate_timers(hv::ReferenceTime const& time) override;

  private:
    void create_interrupt_controllers() const;
    void create_local_apics() const;
    void route_interrupts() const;
    void trap_synthetic_msrs(bool but_for_apic) const;

    KvmHost const& host_;
    VmConfig const config_;
    UniqueFd const fd_;
    MemorySlots slots_;
    std::optional<KernelReferenceTime> kernel_time_; ///< when KVM runs the guest's direct timers
    std::vector<std::unique_ptr<KvmVcpu>> vcpus_;
    std::size_t with_timers_ = 0;           ///< so many of the first of them run by it
    std::vector<std::uint8_t> eoi_vectors_; ///< whose EOIs are exits
};

} // namespace vmm
