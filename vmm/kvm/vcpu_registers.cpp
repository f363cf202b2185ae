#include "vmm/kvm/vcpu_registers.hpp"

#include "vmm/kvm/kvm_registers.hpp"
#include "vmm/kvm/msr_access.hpp"
#include "vmm/kvm/register_groups.hpp"
#include "vmm/kvm/state_cache.hpp"

#include <linux/kvm.h>

#include <sys/ioctl.h>

namespace vmm {

using namespace register_groups;

namespace {

/// Of names: the upper half says which group, with a few exceptions among the virtualised MSRs.
constexpr unsigned group_shift = 16;

enum Group : unsigned {
    interrupt_group = 0x1,
    general_group = 0x2,
    floating_group = 0x3,
    control_group = 0x4,
    debug_group = 0x5,
    segment_group = 0x6,
    table_group = 0x7,
    msr_group = 0x8,
};

bool in_system_registers(Name name)
{
    return name == Name::Efer || name == Name::ApicBase;
}

unsigned group_of(Name name)
{
    if (in_system_registers(name)) return control_group;
    if (name == Name::Xfem) return floating_group;
    return static_cast<unsigned>(name) >> group_shift;
}

} // namespace

hv::Result<Value> VcpuRegisters::get(Name name) const
{
    switch (group_of(name)) {
    case interrupt_group: {
        auto const* const events = known_.events(fd_);
        return events ? get_events(*events, name) : Status::InvalidParameter;
    }
    case general_group: return get_general(run_, name);
    case floating_group: return get_floating(fd_, name);
    case debug_group: return get_debug(fd_, name);
    case control_group:
    case segment_group:
    case table_group: {
        auto const* const sregs = known_.sregs(fd_);
        if (!sregs) return Status::InvalidParameter;
        return get_system(staged_ && staged_->pending() ? staged_->over(*sregs) : *sregs, name);
    }
    case msr_group: return get_model_specific(fd_, name);
    default: return Status::InvalidParameter;
    }
}

Status VcpuRegisters::set(Name name, Value const& value) const
{
    if (group_of(name) == general_group) {
        auto const* const sregs = known_.sregs(fd_);
        known_.forget_events(); // an exception that waits is dropped
        return sregs ? set_general(fd_, run_, *sregs, name, value) : Status::InvalidParameter;
    }
    known_.forget();
    switch (group_of(name)) {
    case interrupt_group: return set_events(fd_, name, value);
    case floating_group: return set_floating(fd_, name, value);
    case debug_group: return set_debug(fd_, name, value);
    case control_group:
    case segment_group:
    case table_group: return staged_ ? staged_->set(fd_, name, value) : set_system(fd_, name, value);
    case msr_group: return set_model_specific(fd_, name, value);
    default: return Status::InvalidParameter;
    }
}

namespace {

bool waits_for_start(int vcpu_fd)
{
    kvm_mp_state state{};
    if (::ioctl(vcpu_fd, KVM_GET_MP_STATE, &state) != 0) return false;
    return state.mp_state == KVM_MP_STATE_UNINITIALIZED || state.mp_state == KVM_MP_STATE_INIT_RECEIVED;
}

bool well_formed(hv::abi::InitialVpContext const& context, kvm_sregs const& wanted)
{
    constexpr unsigned reserved_attributes = 0x0F00;
    unsigned attributes = 0;
    bool addresses =
        canonical(context.rip, wanted) && canonical(wanted.gdt.base, wanted) && canonical(wanted.idt.base, wanted);
    for (auto const* const segment :
         {&context.cs, &context.ds, &context.es, &context.fs, &context.gs, &context.ss, &context.tr, &context.ldtr}) {
        attributes |= segment->attributes;
        addresses = addresses && canonical(segment->base, wanted);
    }
    return addresses && (attributes & reserved_attributes) == 0 && acceptable_rflags(context.rflags) &&
           acceptable_pat(context.pat);
}

} // namespace

Status VcpuRegisters::start(hv::abi::InitialVpContext const& context) const
{
    known_.forget();
    if (!waits_for_start(fd_)) return Status::InvalidVpState;
    kvm_sregs before{};
    if (::ioctl(fd_, KVM_GET_SREGS, &before) != 0) return Status::InvalidVpState;
    auto wanted = before;
    wanted.cs = to_segment(context.cs);
    wanted.ds = to_segment(context.ds);
    wanted.es = to_segment(context.es);
    wanted.fs = to_segment(context.fs);
    wanted.gs = to_segment(context.gs);
    wanted.ss = to_segment(context.ss);
    wanted.tr = to_segment(context.tr);
    wanted.ldt = to_segment(context.ldtr);
    wanted.idt = to_table(context.idtr);
    wanted.gdt = to_table(context.gdtr);
    wanted.efer = context.efer;
    wanted.cr0 = context.cr0;
    wanted.cr3 = context.cr3;
    wanted.cr4 = context.cr4;
    if (!well_formed(context, wanted) || !acceptable(wanted, before)) return Status::InvalidRegisterValue;

    constexpr std::uint32_t pat_msr = 0x277;
    auto const old_pat = get_msr(fd_, pat_msr);
    if (!set_msr(fd_, pat_msr, context.pat)) return Status::InvalidRegisterValue;
    if (::ioctl(fd_, KVM_SET_SREGS, &wanted) != 0) {
        if (old_pat) (void)set_msr(fd_, pat_msr, *old_pat);
        return Status::InvalidRegisterValue;
    }
    Registers regs{};
    regs.rip = context.rip;
    regs.rsp = context.rsp;
    regs.rflags = context.rflags;
    kvm_mp_state runnable{KVM_MP_STATE_RUNNABLE};
    if (::ioctl(fd_, KVM_SET_REGS, &regs) != 0 || ::ioctl(fd_, KVM_SET_MP_STATE, &runnable) != 0)
        return Status::InvalidVpState;
    general_registers(run_) = regs;
    return Status::Success;
}

} // namespace vmm
