/// The thread of one virtual processor: it does nothing but run the guest and answer that VP's exits.
#pragma once

#include "devices/pc/mmio_bus.hpp"
#include "devices/pc/port_bus.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/vp/virtual_processor.hpp"
#include "vmm/hypervisor/entry_gate.hpp"
#include "vmm/hypervisor/vcpu.hpp"
#include "vmm/vcpu/death_report.hpp"
#include "vmm/vcpu/exit_owner.hpp"
#include "vmm/vcpu/injected_interrupts.hpp"
#include "vmm/vcpu/pause_gate.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <time.h>

namespace vmm {

class VcpuThread final : public hv::VpControl {
  public:
    /// Called once, from this thread, when the guest can run no further.
    using Died = std::function<void(DeathReport const&)>;

    /// Of the machine: where its vCPUs wait before they enter the guest, and when it is paused.
    struct Gates {
        EntryGate& entry;
        PauseGate& pause;
    };

    VcpuThread(Vcpu& vcpu, unsigned index, devices::PortBus const& ports, devices::MmioBus const& mmio, Gates gates,
               Died died);
    ~VcpuThread() override;

    [[nodiscard]] Vcpu& vcpu() const { return vcpu_; }

    /// Must be called once before begin.
    void attach(hv::VirtualProcessor& vp)
    {
        vp_ = &vp;
        injected_.attach(vp.external_interrupt());
    }

    /// Exits that devices would answer are this one's. Before it runs.
    void give_exits_to(ExitOwner& owner) { owner_ = &owner; }

    /// Begins the thread, which waits for `start`. Throws std::system_error when the host has none left.
    void begin();
    void start();
    /// What the thread does, for one that is there already, and has the role; until leave_guest(), which may come
    /// before, from any other thread.
    void run_here();
    void leave_guest();
    /// Does not enter the guest again. From any thread, also this one, whose exit may be what ends the guest.
    void stay_out();
    /// Takes the thread out of the guest for good; join() then waits for it. Both callable more than once, not from
    /// this thread.
    void request_stop();
    void join();

    /// Asserts a vector that is never in service. From any thread.
    void assert_auto_eoi(std::uint8_t vector);
    /// Has the VP take its external interrupt as soon as it takes interrupts. From any thread.
    void inject_external_interrupt();

    void arm_deadline(hv::RefTime deadline) override;
    void disarm_deadline() override;
    [[nodiscard]] hv::Acceleration* acceleration() override { return vcpu_.acceleration(); }
    void idle() override;
    void yield() override;
    void kick() override { vcpu_.kick(); }
    [[nodiscard]] hv::Status start(hv::abi::InitialVpContext const& context) override { return vcpu_.start(context); }
    void settle() override;
    [[nodiscard]] hv::Result<hv::abi::RegisterValue> get_register(hv::abi::RegisterName name) const override
    {
        return vcpu_.get_register(name);
    }
    [[nodiscard]] hv::Status set_register(hv::abi::RegisterName name, hv::abi::RegisterValue const& value) override
    {
        return vcpu_.set_register(name, value);
    }
    [[nodiscard]] std::uint64_t runtime_100ns() const override;
    [[nodiscard]] bool read_xmm(std::span<std::byte, 96> out) const override { return vcpu_.read_xmm(out); }
    void inspect(hv::Inspector& inspector) const override;

  private:
    void run_guest();
    void wait_while_suspended();
    void expire_timers();
    void inject();
    void kick_from_elsewhere();

    void answer(exits::PortAccess const& io);
    void answer(exits::Interrupted);
    void answer(exits::MsrRead const& msr);
    void answer(exits::MsrWrite const& msr);
    void answer(exits::MmioAccess const& mmio);
    void answer(exits::Hypercall const& call);
    void answer(exits::InterruptEnded ended);
    void answer(exits::Halted);
    void answer(exits::TripleFault);
    void answer(exits::Failed);

    [[nodiscard]] bool hypercall(exits::PortAccess const& io);
    [[gnu::noinline]] void reach_devices(exits::PortAccess const& io); ///< apart, for the sake of hypercalls
    void hypercall_64bit(std::byte* in);
    void hypercall_32bit();
    void die(std::string reason, bool triple_fault = false);

    Vcpu& vcpu_;
    EntryGate::Door door_;
    Registers const& registers_;
    unsigned const index_;
    devices::PortBus const& ports_;
    devices::MmioBus const& mmio_;
    PauseGate& gate_;
    Died const died_;
    hv::VirtualProcessor* vp_ = nullptr;
    ExitOwner* owner_ = nullptr; ///< or devices

    InjectedInterrupts injected_;
    clockid_t runtime_clock_ = CLOCK_THREAD_CPUTIME_ID; ///< the thread's, for whoever is served in its place
    std::uint64_t runtime_before_ = 0;                  ///< what it had used when this began
    std::unique_ptr<KickTimer> timer_;                  // lives on the thread
    std::unique_ptr<KickTimer> injection_retry_;
    bool deadline_armed_ = false;
    bool overdue_ = false; // the guest has armed a deadline that is past already
    bool settled_ = false; ///< the instruction that the last exit was for is finished
    bool expiring_ = false;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> started_{false}; ///< or is to end without
    std::thread thread_;
};

} // namespace vmm
