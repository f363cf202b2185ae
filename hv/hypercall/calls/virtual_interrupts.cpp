/// Interrupts that a parent asserts in its children (TLFS 2.0a §13.3, §13.5).
#include "hv/abi/virtual_interrupt.hpp"
#include "hv/hypercall/calls/calls.hpp"
#include "hv/vp/virtual_processor.hpp"

namespace hv::calls {

namespace {

using abi::InterruptControl;
using abi::InterruptType;

bool has_vector(InterruptType type)
{
    return type == InterruptType::Fixed || type == InterruptType::LowestPriority || type == InterruptType::Sipi ||
           type == InterruptType::ExtInt;
}

/// §13.3.3. Of ExtInt, which is always level-triggered, the flag says nothing.
bool always_edge(InterruptType type)
{
    return type == InterruptType::Nmi || type == InterruptType::Init || type == InterruptType::Sipi;
}

bool well_formed(InterruptControl control, std::uint32_t vector)
{
    constexpr std::uint32_t highest_vector = 0xFF;
    if (control.type > InterruptType::LocalInt1 || !control.reserved_clear()) return false;
    if (control.level_triggered() && always_edge(control.type)) return false;
    if (!has_vector(control.type)) return vector == 0;
    return vector <= highest_vector || vector == abi::no_interrupt_vector;
}

/// What there is no way to do with the local APICs in KVM: to see the EOI of a level-triggered interrupt where the
/// I/O APIC is in the kernel as well; and to drive an APIC's own pins.
bool possible(Partition const& target, InterruptControl control)
{
    switch (control.type) {
    case InterruptType::Fixed:
    case InterruptType::LowestPriority: return !control.level_triggered() || target.interrupts().tells_eois();
    case InterruptType::Nmi:
    case InterruptType::Init:
    case InterruptType::Sipi:
    case InterruptType::ExtInt: return true;
    case InterruptType::Smi:
    case InterruptType::RemoteRead:
    case InterruptType::LocalInt0:
    case InterruptType::LocalInt1: break;
    }
    return false;
}

/// Always the boot processor's, whatever its local APIC holds.
Status assert_external(Partition& target, std::uint64_t destination, std::uint32_t vector)
{
    constexpr VpIndex boot_processor{0};
    auto* const vp = target.vp(boot_processor);
    if (destination != 0 || !vp) return Status::InvalidVpIndex;
    if (vector == abi::no_interrupt_vector) return vp->external_interrupt().withdraw();
    auto const status = vp->external_interrupt().request(static_cast<std::uint8_t>(vector));
    if (status == Status::Success) target.interrupts().external_interrupt_waits(boot_processor);
    return status;
}

/// To the local APICs that the address selects. A VP's APIC ID is its index.
Status send(Partition& target, InterruptControl control, std::uint64_t destination, std::uint32_t vector)
{
    constexpr std::uint64_t highest_logical = 0xFF;
    constexpr std::uint32_t lowest_vector = 0x10; // an APIC takes none below (Intel SDM vol. 3 §11.5.2)
    if (control.logical_destination()) {
        if (destination == 0 || destination > highest_logical) return Status::InvalidParameter;
    } else if (destination >= target.vp_indices() || !target.vp(VpIndex{static_cast<std::uint32_t>(destination)})) {
        return Status::InvalidVpIndex;
    }
    bool const to_irr = control.type == InterruptType::Fixed || control.type == InterruptType::LowestPriority;
    if (vector == abi::no_interrupt_vector || (to_irr && vector < lowest_vector)) return Status::Success;
    target.interrupts().send({control.type, control.logical_destination(), static_cast<std::uint8_t>(destination),
                              static_cast<std::uint8_t>(vector), to_irr && control.level_triggered()});
    return Status::Success;
}

Status assert_interrupt(Partition& target, InterruptControl control, std::uint64_t destination, std::uint32_t vector)
{
    if (!well_formed(control, vector)) return Status::InvalidParameter;
    if (!possible(target, control)) return Status::OperationDenied;
    Partition::Visit const visit{target};
    if (!target.active()) return Status::InvalidPartitionState; // else whoever removes it waits for the visit
    return control.type == InterruptType::ExtInt ? assert_external(target, destination, vector)
                                                 : send(target, control, destination, vector);
}

} // namespace

/// HvAssertVirtualInterrupt (§13.5.1; call code 0x0055).
Status assert_virtual_interrupt(Caller const& caller, abi::AssertVirtualInterruptInput const& in)
{
    auto const target = caller.target(in.partition);
    if (!target) return target.status();
    if (!target->active()) return Status::InvalidPartitionState;
    return assert_interrupt(*target, in.control, in.destination, in.vector);
}

/// HvCallAssertVirtualInterrupt (5.0C §10.5.1, newest; call code 0x0094).
Status assert_virtual_interrupt_vtl(Caller const& caller, abi::AssertVirtualInterruptVtlInput const& in)
{
    auto const target = caller.target(in.partition);
    if (!target) return target.status();
    if (!target->active()) return Status::InvalidPartitionState;
    if (in.target_vtl != 0) return Status::InvalidVtlState;
    if (in.reserved0 != 0 || in.reserved1 != 0) return Status::InvalidParameter;
    return assert_interrupt(*target, in.control, in.destination, in.vector);
}

/// HvClearVirtualInterrupt (§13.5.2; call code 0x0056; may be fast).
Status clear_virtual_interrupt(Caller const& caller, abi::ClearVirtualInterruptInput const& in)
{
    auto const target = caller.target(in.partition);
    if (!target) return target.status();
    if (!target->active()) return Status::InvalidPartitionState;
    Partition::Visit const visit{*target};
    auto* const boot_processor = target->vp(VpIndex{0});
    return boot_processor ? boot_processor->external_interrupt().clear() : Status::NotAcknowledged;
}

} // namespace hv::calls
