/// One virtual processor on KVM: its thread does nothing but run the guest and answer that VP's exits.
#pragma once

#include "devices/pc/port_bus.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/vp/virtual_processor.hpp"
#include "vmm/host/unique_fd.hpp"
#include "vmm/kvm/deadline_timer.hpp"
#include "vmm/kvm/death_report.hpp"
#include "vmm/kvm/injected_interrupts.hpp"
#include "vmm/kvm/kvm_acceleration.hpp"
#include "vmm/kvm/kvm_host.hpp"
#include "vmm/kvm/pause_gate.hpp"
#include "vmm/kvm/vcpu_registers.hpp"
#include "vmm/kvm/vm.hpp"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>

struct kvm_run;

namespace vmm {

class Vcpu final : public hv::VpControl {
  public:
    /// Called once, from the vCPU's thread, when the guest can run no further.
    using Died = std::function<void(DeathReport const&)>;

    Vcpu(KvmHost const& host, Vm const& vm, unsigned index, devices::PortBus const& ports, PauseGate& gate,
         Died died);
    ~Vcpu() override;

    [[nodiscard]] int fd() const { return fd_.get(); }

    /// Must be called once before start.
    void attach(hv::VirtualProcessor& vp)
    {
        vp_ = &vp;
        injected_.attach(vp.external_interrupt());
    }

    /// Before start.
    [[nodiscard]] KvmAcceleration* acceleration() override { return &acceleration_; }

    void start();
    /// Does not enter the guest again. From any thread, also the vCPU's own, whose exit may be what ends the guest.
    void stay_out();
    /// Takes the thread out of the guest for good; join() then waits for it. Both callable more than once, not from
    /// the vCPU's own thread.
    void request_stop();
    void join();

    /// Asserts a vector that is never in service. From any thread.
    void assert_auto_eoi(std::uint8_t vector);
    /// Has the VP take its external interrupt as soon as it takes interrupts. From any thread.
    void inject_external_interrupt();

    void arm_deadline(hv::RefTime deadline) override;
    void disarm_deadline() override;
    void idle() override;
    void yield() override;
    void kick() override;
    [[nodiscard]] hv::Status start(hv::abi::InitialVpContext const& context) override;
    void settle() override;
    [[nodiscard]] hv::Status get_register(hv::abi::RegisterName name, hv::abi::RegisterValue& value) const override;
    [[nodiscard]] hv::Status set_register(hv::abi::RegisterName name, hv::abi::RegisterValue const& value) override;
    [[nodiscard]] std::uint64_t runtime_100ns() const override;
    [[nodiscard]] bool read_xmm(std::span<std::byte, 96> out) const override;
    void inspect(hv::Inspector& inspector) const override;

  private:
    void thread_main();
    void run_guest();
    void expire_timers();
    void inject();
    void kick_from_elsewhere();
    void leave_at_once();
    void handle_exit();
    void handle_io();
    void handle_mmio() const;
    void handle_msr_read() const;
    void handle_msr_write() const;
    [[nodiscard]] bool hypercall(std::byte* data);
    void hypercall_64bit(std::byte* in);
    void hypercall_32bit() const;
    void hypercall_passed_on();
    void die(std::string reason, bool triple_fault = false);

    unsigned const index_;
    devices::PortBus const& ports_;
    PauseGate& gate_;
    Died const died_;
    UniqueFd fd_;
    std::size_t const run_size_;
    kvm_run* run_;
    hv::VirtualProcessor* vp_ = nullptr;

    InjectedInterrupts injected_;
    KvmAcceleration acceleration_;
    std::optional<DeadlineTimer> timer_; // lives on the thread
    std::optional<DeadlineTimer> injection_retry_;
    bool deadline_armed_ = false;
    bool overdue_ = false; // the guest has armed a deadline that is past already
    bool settled_ = false; ///< the instruction that the last exit was for is finished
    bool expiring_ = false;
    std::atomic<bool> stopping_{false};
    std::atomic<int> thread_id_{0}; ///< while the thread runs
    std::thread thread_;
};

} // namespace vmm
