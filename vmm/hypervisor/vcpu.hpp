/// One virtual processor of the hypervisor below.
#pragma once

#include "hv/abi/register_name.hpp"
#include "hv/abi/result.hpp"
#include "hv/base/acceleration.hpp"
#include "vmm/hypervisor/exit.hpp"
#include "vmm/hypervisor/registers.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace vmm {

/// What a vCPU does when it is not stopped from outside.
enum class Activity {
    Runs,
    Halted,          ///< until an interrupt
    WaitsForInit,    ///< as processors do that are not the first
    WaitsForStartup, ///< INIT has come
    Unknown,
};

/// Whether a vCPU would take an interrupt past its local APIC now, and what that APIC says.
struct InterruptWindow {
    bool takes_interrupts; ///< enabled, not shadowed, nothing else about to be delivered
    bool apic_enabled;     ///< by software (SVR bit 8)
    std::uint8_t priority; ///< PPR
};

/// A one-shot timer that kicks one vCPU. Used and destroyed on that vCPU's thread.
class KickTimer {
  public:
    KickTimer() = default;
    KickTimer(KickTimer const&) = delete;
    KickTimer& operator=(KickTimer const&) = delete;
    virtual ~KickTimer() = default;

    /// Kicks after `delay` > 0; replaces what was armed before.
    virtual void arm(std::chrono::nanoseconds delay) = 0;
    virtual void disarm() = 0;
};

/// Who can be given interrupts that its local APIC never sees in service.
class InjectionTarget {
  public:
    InjectionTarget() = default;
    InjectionTarget(InjectionTarget const&) = delete;
    InjectionTarget& operator=(InjectionTarget const&) = delete;
    virtual ~InjectionTarget() = default;

    /// Finishes the instruction of the last exit first; a kick that comes meanwhile may be lost. No value when the
    /// state cannot be had.
    [[nodiscard]] virtual std::optional<InterruptWindow> interrupt_window() = 0;
    /// Gives the guest such an interrupt, and ends a halt. Only when interrupt_window() has just said that the guest
    /// takes one. False when it cannot be done.
    [[nodiscard]] virtual bool inject_past_apic(std::uint8_t vector) = 0;
};

/// Used by one thread at a time, but for kick(): by the one that builds the machine until the vCPU is given to a
/// thread of its own, and again while no vCPU of the machine is in the guest.
class Vcpu : public InjectionTarget {
  public:
    // Running.

    /// The calling thread runs it from now on, and takes its kicks; or does so no longer.
    virtual void adopt_thread() = 0;
    virtual void release_thread() = 0;
    /// False while its registers are on their way through states that no processor can be in
    /// (VmConfig::staged_registers).
    [[nodiscard]] virtual bool can_enter() const { return true; }
    /// Runs the guest until something has to be done outside of it.
    [[nodiscard]] virtual VmExit run() = 0;
    /// After exits::Failed: why, in plain words, without a full stop.
    [[nodiscard]] virtual std::string failure() const = 0;
    /// Has run() return, or the next run() when the vCPU is not in the guest. From any thread; nothing happens when
    /// no thread runs the vCPU.
    virtual void kick() = 0;
    /// Whether the calling thread is the one that runs it.
    [[nodiscard]] virtual bool is_own_thread() const = 0;
    /// The next run() finishes the instruction of the last exit and returns exits::Interrupted.
    virtual void leave_at_once() = 0;
    /// Finishes the instruction of the last exit without entering the guest. A kick that comes meanwhile still has
    /// the next run() return.
    virtual void settle() = 0;
    /// Throws std::system_error. On the vCPU's thread.
    [[nodiscard]] virtual std::unique_ptr<KickTimer> make_kick_timer() = 0;

    // Answers to exits.

    /// No value: the guest gets #GP.
    virtual void finish_msr_read(std::optional<std::uint64_t> value) = 0;
    /// False: the guest gets #GP.
    virtual void finish_msr_write(bool ok) = 0;
    virtual void finish_hypercall(std::uint64_t result) = 0;

    // Registers, as they are when the vCPU is not in the guest.

    /// The general ones as of the last exit, always at one place. They cost nothing.
    [[nodiscard]] virtual Registers const& registers() const = 0;
    /// The same, to be changed in answer to an exit.
    [[nodiscard]] virtual Registers& change_registers() = 0;
    /// XMM0 to XMM5; false when they cannot be had.
    [[nodiscard]] virtual bool read_xmm(std::span<std::byte, 96> out) const = 0;
    /// As in hv::VpControl.
    [[nodiscard]] virtual hv::Result<hv::abi::RegisterValue> get_register(hv::abi::RegisterName name) const = 0;
    [[nodiscard]] virtual hv::Status set_register(hv::abi::RegisterName name,
                                                  hv::abi::RegisterValue const& value) = 0;
    [[nodiscard]] virtual hv::Status start(hv::abi::InitialVpContext const& context) = 0;

    /// The area of XSAVE in its standard form (Intel SDM vol. 1 §13.4.3), hv::most_xsave_bytes; false when it cannot
    /// be had, or has what the processor does not take.
    [[nodiscard]] virtual bool read_xsave(std::span<std::byte> area) const = 0;
    [[nodiscard]] virtual bool write_xsave(std::span<std::byte const> area) = 0;

    // Set-up. These throw HypervisorError.

    virtual void set_cpuid(std::span<CpuidEntry const> entries) = 0;
    virtual void set_registers(Registers const& registers) = 0;
    [[nodiscard]] virtual SystemRegisters system_registers() const = 0;
    virtual void set_system_registers(SystemRegisters const& registers) = 0;
    [[nodiscard]] virtual LocalApicPage local_apic() const = 0;
    virtual void set_local_apic(LocalApicPage const& apic) = 0;
    [[nodiscard]] virtual std::uint32_t tsc_khz() const = 0;

    /// No value when there is no such MSR.
    [[nodiscard]] virtual std::optional<std::uint64_t> read_msr(std::uint32_t index) const = 0;
    /// False when it is not there or cannot have this value.
    [[nodiscard]] virtual bool write_msr(std::uint32_t index, std::uint64_t value) = 0;
    /// Guest TSC less host TSC, modulo 2^64; no value when the hypervisor does not say.
    [[nodiscard]] virtual std::optional<std::uint64_t> tsc_offset() const = 0;
    /// False when it does not take it.
    [[nodiscard]] virtual bool set_tsc_offset(std::uint64_t offset) = 0;

    [[nodiscard]] virtual Activity activity() const = 0;
    /// As processors do after a reset that are not the first. Throws HypervisorError.
    virtual void wait_for_init() = 0;
    /// The next run() waits in the guest for an interrupt that it would take.
    virtual void halt() = 0;

    /// What it does for the model by itself; nullptr when it does nothing.
    [[nodiscard]] virtual hv::Acceleration* acceleration() = 0;
};

} // namespace vmm
