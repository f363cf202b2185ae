#include "vmm/kvm/register_groups.hpp"

#include <bit>
#include <sys/ioctl.h>

namespace vmm::register_groups {

namespace {

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

} // namespace

Result<Value> get_events(int vcpu_fd, Name name)
{
    if (name != Name::PendingInterruption && name != Name::InterruptState) return Status::InvalidParameter;
    kvm_vcpu_events events{};
    if (::ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &events) != 0) return Status::InvalidParameter;
    if (name == Name::PendingInterruption) return Value{std::bit_cast<std::uint64_t>(from_events(events)), 0};
    return Value{(events.interrupt.shadow ? shadow_bit : 0) | (events.nmi.masked ? nmi_masked_bit : 0), 0};
}

Status set_events(int vcpu_fd, Name name, Value const& value)
{
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
