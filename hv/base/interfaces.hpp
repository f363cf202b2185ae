/// What the model asks of the world. The VMM implements these over KVM; unit tests hand in recorders.
#pragma once

#include "hv/abi/register_name.hpp"
#include "hv/abi/registers.hpp"
#include "hv/abi/result.hpp"
#include "hv/abi/types.hpp"
#include "hv/abi/virtual_interrupt.hpp"
#include "hv/base/inspect.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hv {

class Acceleration;

/// An edge-triggered interrupt from outside the partition, as a message on the bus of its local APICs.
struct VirtualInterrupt {
    abi::InterruptType type; ///< Fixed, LowestPriority, Nmi, Init or Sipi
    bool logical_destination;
    std::uint8_t destination; ///< an APIC ID, or a logical one
    std::uint8_t vector;
    bool level_triggered = false; ///< of Fixed and LowestPriority, where `tells_eois`

    friend bool operator==(VirtualInterrupt const&, VirtualInterrupt const&) = default;
};

/// Raises interrupts in one partition. Callable from any thread, never with a lock of the model held.
class InterruptSink {
  public:
    InterruptSink() = default;
    InterruptSink(InterruptSink const&) = delete;
    InterruptSink& operator=(InterruptSink const&) = delete;
    virtual ~InterruptSink() = default;

    /// Requests an edge-triggered fixed interrupt on one VP. With auto_eoi it is never in service afterwards.
    virtual void assert_vector(VpIndex vp, std::uint8_t vector, bool auto_eoi) = 0;
    /// Whichever local APICs the address selects; when it selects none, the interrupt is lost.
    virtual void send(VirtualInterrupt const& interrupt) = 0;
    /// Whether the EOI of a level-triggered interrupt is told (VpSupervisor::ended).
    [[nodiscard]] virtual bool tells_eois() const { return false; }
    /// The VP's ExternalInterrupt was asserted: the VP is to take it as soon as it takes interrupts.
    virtual void external_interrupt_waits(VpIndex vp) = 0;
    /// Calls VirtualProcessor::retry_messages on that VP some milliseconds later, from any thread.
    virtual void retry_messages_later(VpIndex vp) = 0;
    /// The guest has enabled a VP's SynIC (SCONTROL bit 0), which was disabled.
    virtual void synic_enabled(VpIndex) {}
};

/// The partition's TSC and what is derived from it. Callable from any thread.
class Clock {
  public:
    Clock() = default;
    Clock(Clock const&) = delete;
    Clock& operator=(Clock const&) = delete;
    virtual ~Clock() = default;

    [[nodiscard]] virtual std::uint64_t guest_tsc() const = 0; ///< as RDTSC in the guest would read it now
    [[nodiscard]] virtual std::uint64_t tsc_hz() const = 0;
    [[nodiscard]] virtual std::uint64_t apic_hz() const = 0; ///< the local APIC timer's, before its divider
};

/// One VP as the machine runs it. All calls but `kick` come from that VP's own thread, or from one that serves a
/// request in its place while it waits (VpRequests).
class VpControl {
  public:
    VpControl() = default;
    VpControl(VpControl const&) = delete;
    VpControl& operator=(VpControl const&) = delete;
    virtual ~VpControl() = default;

    /// One deadline per VP: a new one replaces the old. VirtualProcessor::expire_timers is called at or after it.
    virtual void arm_deadline(RefTime deadline) = 0;
    virtual void disarm_deadline() = 0;
    /// Stops the VP until an interrupt is pending; with interrupts masked it may return early. May be spurious.
    virtual void idle() = 0;
    [[nodiscard]] virtual std::uint64_t runtime_100ns() const = 0; ///< time the VP has consumed
    /// The VP waits for another one in vain: whoever else wants the host's processor may have it.
    virtual void yield() = 0;
    /// XMM0 to XMM5, for hypercalls that bring their input there.
    [[nodiscard]] virtual bool read_xmm(std::span<std::byte, 96> out) const = 0;
    /// Takes the VP out of the guest for a moment; its thread then calls VpRequests::serve. From any thread.
    virtual void kick() = 0;
    /// Called before anybody looks at the VP's registers during a hypercall of its own: the instruction that made the
    /// call counts as done.
    virtual void settle() = 0;
    /// A register that is not synthetic. InvalidParameter when the machine has none of that name.
    [[nodiscard]] virtual Result<abi::RegisterValue> get_register(abi::RegisterName name) const = 0;
    /// InvalidParameter when there is none or it is read-only, InvalidRegisterValue when it cannot have this value.
    [[nodiscard]] virtual Status set_register(abi::RegisterName name, abi::RegisterValue const& value) = 0;
    /// Has a VP that waits for its start-up begin there. InvalidVpState when it does not wait, InvalidRegisterValue
    /// when it cannot be so.
    [[nodiscard]] virtual Status start(abi::InitialVpContext const& context) = 0;
    /// What the hypervisor below does for this VP; nullptr when it does nothing. The same for as long as the VP
    /// lives.
    [[nodiscard]] virtual Acceleration* acceleration() { return nullptr; }
    /// What the machine knows of the VP, with its registers settled.
    virtual void inspect(Inspector&) const {}
};

/// A crash as the guest reports it (TLFS 6.0b §4.3). P3 and P4 locate a text when CRASH_CTL said so.
struct CrashReport {
    std::array<std::uint64_t, abi::crash_parameter_count> parameters{};
    std::uint64_t control = 0;
};

/// The machine around a partition. Callable from any VP thread.
class MachineControl {
  public:
    MachineControl() = default;
    MachineControl(MachineControl const&) = delete;
    MachineControl& operator=(MachineControl const&) = delete;
    virtual ~MachineControl() = default;

    virtual void reset() = 0;
    virtual void report_crash(CrashReport const& report) = 0;
    /// Sets the TSC of all VPs. False, and nothing has changed, when it is nobody's to set.
    [[nodiscard]] virtual bool set_tsc(std::uint64_t /*tsc*/) { return false; }
};

} // namespace hv
