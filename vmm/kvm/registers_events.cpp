#include "vmm/kvm/register_groups.hpp"

#include <bit>
#include <sys/ioctl.h>

namespace vmm::register_groups {

namespace {

using hv::abi::PendingEvent;
using hv::abi::PendingInterruption;
using Type = PendingInterruption::Type;

constexpr std::uint16_t pending = 1U << 0;
constexpr unsigned type_shift = 1;
constexpr std::uint16_t type_mask = 7;
constexpr std::uint16_t with_error_code = 1U << 4;
constexpr std::uint16_t defined_flags = 0x1F;

constexpr std::uint64_t shadow_bit = 1U << 0; // HV_X64_INTERRUPT_STATE_REGISTER (TLFS 2.0a §10.3.3)
constexpr std::uint64_t nmi_masked_bit = 1U << 1;

/// Exceptions that push an error code (Intel SDM vol. 3 §6.3.1; AMD APM vol. 2 §8.2): a processor refuses to inject
/// them without, and others with.
constexpr std::uint32_t pushes_error_code =
    1U << 8 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 14 | 1U << 17 | 1U << 21 | 1U << 29 | 1U << 30;
constexpr unsigned nmi_vector = 2;

PendingInterruption interruption(Type type, std::uint8_t vector)
{
    return {static_cast<std::uint16_t>(pending | static_cast<unsigned>(type) << type_shift), vector, 0};
}

PendingInterruption from_events(kvm_vcpu_events const& events)
{
    if (events.exception.injected) {
        auto out = interruption(Type::Exception, events.exception.nr);
        if (events.exception.has_error_code) {
            out.flags |= with_error_code;
            out.error_code = events.exception.error_code;
        }
        return out;
    }
    if (events.nmi.injected) return interruption(Type::Nmi, nmi_vector);
    if (events.interrupt.injected) return interruption(Type::Interrupt, events.interrupt.nr);
    return {};
}

/// False when no processor would take it.
bool to_events(PendingInterruption const& wanted, kvm_vcpu_events& events)
{
    events.exception.injected = 0;
    events.exception.pending = 0;
    events.exception.has_error_code = 0;
    events.nmi.injected = 0;
    events.interrupt.injected = 0;
    if ((wanted.flags & pending) == 0) return true; // the other fields are ignored
    if ((wanted.flags & ~defined_flags) != 0 || wanted.vector > 0xFF) return false;

    bool const error_code = (wanted.flags & with_error_code) != 0;
    auto const vector = static_cast<std::uint8_t>(wanted.vector);
    switch (static_cast<Type>(wanted.flags >> type_shift & type_mask)) {
    case Type::Interrupt:
        events.interrupt.injected = 1;
        events.interrupt.nr = vector;
        events.interrupt.soft = 0;
        return !error_code;
    case Type::Nmi: events.nmi.injected = 1; return !error_code && vector == nmi_vector;
    case Type::Exception:
        if (vector > 31 || vector == nmi_vector) return false;
        events.exception.injected = 1;
        events.exception.nr = vector;
        events.exception.has_error_code = error_code ? 1 : 0;
        events.exception.error_code = wanted.error_code;
        return error_code == ((pushes_error_code >> vector & 1) != 0);
    }
    return false;
}

bool is_pending_event(Name name)
{
    return name == Name::PendingEvent0 || name == Name::PendingEvent1;
}

/// Bits of DR6 that say why (Intel SDM vol. 3 §18.2.3).
constexpr std::uint64_t dr6_causes = 0xF | 7U << 13;

/// What the delivery of an exception does besides.
Status set_parameter(int vcpu_fd, PendingEvent const& event)
{
    constexpr std::uint16_t debug_exception = 1;
    constexpr std::uint16_t page_fault = 14;
    if (event.vector == page_fault) return set_system(vcpu_fd, Name::Cr2, {event.parameter, 0});
    if (event.vector != debug_exception) return Status::Success;
    auto const before = get_debug(vcpu_fd, Name::Dr6);
    return before ? set_debug(vcpu_fd, Name::Dr6, {before->low | (event.parameter & dr6_causes), 0})
                  : before.status();
}

/// An exception that is to be delivered before the next instruction. It is one at a time: the second slot is empty.
Status set_pending_event(int vcpu_fd, Name name, PendingEvent const& event)
{
    if ((event.flags & pending) == 0) return Status::Success;
    constexpr unsigned error_code_bit = 8;
    constexpr std::uint16_t defined = pending | 1U << error_code_bit;
    if (name != Name::PendingEvent0 || (event.flags & ~defined) != 0) return Status::InvalidRegisterValue;
    auto wanted = interruption(Type::Exception, static_cast<std::uint8_t>(event.vector));
    wanted.vector = event.vector;
    if ((event.flags >> error_code_bit & 1) != 0) wanted.flags |= with_error_code;
    wanted.error_code = event.error_code;
    auto const set = set_events(vcpu_fd, Name::PendingInterruption, {std::bit_cast<std::uint64_t>(wanted), 0});
    return set == Status::Success ? set_parameter(vcpu_fd, event) : set;
}

} // namespace

Result<Value> get_events(kvm_vcpu_events const& events, Name name)
{
    if (is_pending_event(name)) return Value{0, 0}; // what has been put there is a pending interruption
    if (name != Name::PendingInterruption && name != Name::InterruptState) return Status::InvalidParameter;
    if (name == Name::PendingInterruption) return Value{std::bit_cast<std::uint64_t>(from_events(events)), 0};
    return Value{(events.interrupt.shadow ? shadow_bit : 0) | (events.nmi.masked ? nmi_masked_bit : 0), 0};
}

Status set_events(int vcpu_fd, Name name, Value const& value)
{
    if (is_pending_event(name)) return set_pending_event(vcpu_fd, name, std::bit_cast<PendingEvent>(value));
    if (name != Name::PendingInterruption && name != Name::InterruptState) return Status::InvalidParameter;
    kvm_vcpu_events events{};
    if (::ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &events) != 0) return Status::InvalidParameter;
    events.flags = 0; // leaves alone what another thread may be changing: pending NMIs, SIPIs
    if (value.high != 0) return Status::InvalidRegisterValue;
    if (name == Name::PendingInterruption) {
        if (!to_events(std::bit_cast<PendingInterruption>(value.low), events)) return Status::InvalidRegisterValue;
    } else {
        if ((value.low & ~(shadow_bit | nmi_masked_bit)) != 0) return Status::InvalidRegisterValue;
        events.flags = KVM_VCPUEVENT_VALID_SHADOW;
        events.interrupt.shadow = (value.low & shadow_bit) != 0 ? KVM_X86_SHADOW_INT_STI : 0;
        events.nmi.masked = (value.low & nmi_masked_bit) != 0 ? 1 : 0;
    }
    return ::ioctl(vcpu_fd, KVM_SET_VCPU_EVENTS, &events) == 0 ? Status::Success : Status::InvalidRegisterValue;
}

} // namespace vmm::register_groups
