#include "vmm/kvm/register_groups.hpp"

#include <array>
#include <sys/ioctl.h>

namespace vmm::register_groups {

namespace {

using Member = __u64 kvm_regs::*;

/// In the order of the names, which is that of instruction encodings.
constexpr std::array<Member, 18> members{
    &kvm_regs::rax, &kvm_regs::rcx, &kvm_regs::rdx, &kvm_regs::rbx, &kvm_regs::rsp, &kvm_regs::rbp,
    &kvm_regs::rsi, &kvm_regs::rdi, &kvm_regs::r8,  &kvm_regs::r9,  &kvm_regs::r10, &kvm_regs::r11,
    &kvm_regs::r12, &kvm_regs::r13, &kvm_regs::r14, &kvm_regs::r15, &kvm_regs::rip, &kvm_regs::rflags,
};

/// nullptr for a name of another group.
Member const* find(Name name)
{
    auto const index = hv::abi::distance(Name::Rax, name);
    return index < members.size() ? &members[index] : nullptr;
}

} // namespace

Status get_general(kvm_run const& run, Name name, Value& value)
{
    auto const* const member = find(name);
    if (!member) return Status::InvalidParameter;
    value = {run.s.regs.regs.*(*member), 0};
    return Status::Success;
}

/// KVM_SET_REGS rather than a mark in the run page: a VP that waits for its start-up would not look there.
Status set_general(int vcpu_fd, kvm_run& run, Name name, Value const& value)
{
    auto const* const member = find(name);
    if (!member) return Status::InvalidParameter;
    if (value.high != 0) return Status::InvalidRegisterValue;
    if (name == Name::Rflags && !acceptable_rflags(value.low)) return Status::InvalidRegisterValue;
    if (name == Name::Rip) {
        kvm_sregs sregs{};
        if (::ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) != 0 || !canonical(value.low, sregs))
            return Status::InvalidRegisterValue;
    }
    auto regs = run.s.regs.regs;
    regs.*(*member) = value.low;
    if (::ioctl(vcpu_fd, KVM_SET_REGS, &regs) != 0) return Status::InvalidRegisterValue;
    run.s.regs.regs = regs;
    return Status::Success;
}

bool acceptable_rflags(std::uint64_t rflags)
{
    constexpr std::uint64_t always_one = 1U << 1;
    constexpr std::uint64_t defined = 0x3F'7FD5; // Intel SDM vol. 1 §3.4.3
    return (rflags & ~(defined | always_one)) == 0 && (rflags & always_one) != 0;
}

} // namespace vmm::register_groups
