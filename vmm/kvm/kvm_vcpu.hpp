/// A vCPU of KVM.
#pragma once

#include "vmm/host/unique_fd.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/hypervisor/vcpu.hpp"
#include "vmm/kvm/kvm_acceleration.hpp"
#include "vmm/kvm/register_groups.hpp"
#include "vmm/kvm/state_cache.hpp"

#include <linux/kvm.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

namespace vmm {

class KvmHost;

class KvmVcpu final : public Vcpu {
  public:
    /// With `calls` of its machine, the kernel answers some of the guest's calls, and holds it to its CPUID in them.
    /// Throws UserError or HypervisorError.
    KvmVcpu(KvmHost const& host, int vm_fd, unsigned index, VmConfig const& machine);
    ~KvmVcpu() override;

    void adopt_thread() override;
    void release_thread() override;
    [[nodiscard]] bool can_enter() const override { return !staged_ || !staged_->pending(); }
    [[nodiscard]] VmExit run() override;
    [[nodiscard]] std::string failure() const override { return failure_; }
    void kick() override;
    [[nodiscard]] bool is_own_thread() const override;
    void leave_at_once() override;
    void settle() override;
    [[nodiscard]] std::unique_ptr<KickTimer> make_kick_timer() override;

    void finish_msr_read(std::optional<std::uint64_t> value) override;
    void finish_msr_write(bool ok) override;
    void finish_hypercall(std::uint64_t result) override;

    [[nodiscard]] Registers const& registers() const override;
    [[nodiscard]] Registers& change_registers() override;
    [[nodiscard]] bool read_xmm(std::span<std::byte, 96> out) const override;
    [[nodiscard]] hv::Result<hv::abi::RegisterValue> get_register(hv::abi::RegisterName name) const override;
    [[nodiscard]] hv::Status set_register(hv::abi::RegisterName name, hv::abi::RegisterValue const& value) override;
    [[nodiscard]] hv::Status start(hv::abi::InitialVpContext const& context) override;

    [[nodiscard]] bool read_xsave(std::span<std::byte> area) const override;
    [[nodiscard]] bool write_xsave(std::span<std::byte const> area) override;
    void set_cpuid(std::span<CpuidEntry const> entries) override;
    void set_registers(Registers const& registers) override;
    [[nodiscard]] SystemRegisters system_registers() const override;
    void set_system_registers(SystemRegisters const& registers) override;
    [[nodiscard]] LocalApicPage local_apic() const override;
    void set_local_apic(LocalApicPage const& apic) override;
    [[nodiscard]] std::uint32_t tsc_khz() const override;
    [[nodiscard]] std::optional<std::uint64_t> read_msr(std::uint32_t index) const override;
    [[nodiscard]] bool write_msr(std::uint32_t index, std::uint64_t value) override;
    [[nodiscard]] std::optional<std::uint64_t> tsc_offset() const override;
    [[nodiscard]] bool set_tsc_offset(std::uint64_t offset) override;

    [[nodiscard]] Activity activity() const override;
    void halt() override;
    void wait_for_init() override;
    [[nodiscard]] std::optional<InterruptWindow> interrupt_window() override;
    [[nodiscard]] bool inject_past_apic(std::uint8_t vector) override;

    [[nodiscard]] KvmAcceleration* acceleration() override { return &acceleration_; }

  private:
    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard, gnu::noinline]] VmExit interrupted(int error);
    [[nodiscard, gnu::noinline]] VmExit other_exit();
    [[nodiscard]] VmExit failed(std::string why);

    KvmHost const& host_;
    bool const answers_calls_;
    UniqueFd const fd_;
    std::size_t const run_size_;
    kvm_run* run_;
    KvmAcceleration acceleration_;
    std::unique_ptr<register_groups::StagedSystem> const staged_; ///< nullptr where each change is to be possible
    mutable StateCache known_;
    kvm_vcpu_events events_{}; ///< of the last interrupt_window()
    std::string failure_;
    std::atomic<int> thread_id_{0}; ///< while a thread runs it
};

} // namespace vmm
