#include "vmm/kvm/register_groups.hpp"

#include <algorithm>
#include <bit>
#include <sys/ioctl.h>

namespace vmm::register_groups {

namespace {

using hv::abi::SegmentRegister;
using hv::abi::TableRegister;

constexpr std::uint16_t reserved_attributes = 0x0F00;

kvm_segment* segment(kvm_sregs& sregs, Name name)
{
    switch (name) {
    case Name::Es: return &sregs.es;
    case Name::Cs: return &sregs.cs;
    case Name::Ss: return &sregs.ss;
    case Name::Ds: return &sregs.ds;
    case Name::Fs: return &sregs.fs;
    case Name::Gs: return &sregs.gs;
    case Name::Ldtr: return &sregs.ldt;
    case Name::Tr: return &sregs.tr;
    default: return nullptr;
    }
}

kvm_dtable* table(kvm_sregs& sregs, Name name)
{
    if (name == Name::Idtr) return &sregs.idt;
    return name == Name::Gdtr ? &sregs.gdt : nullptr;
}

__u64* word(kvm_sregs& sregs, Name name)
{
    switch (name) {
    case Name::Cr0: return &sregs.cr0;
    case Name::Cr2: return &sregs.cr2;
    case Name::Cr3: return &sregs.cr3;
    case Name::Cr4: return &sregs.cr4;
    case Name::Cr8: return &sregs.cr8;
    case Name::Efer: return &sregs.efer;
    case Name::ApicBase: return &sregs.apic_base;
    default: return nullptr;
    }
}

bool is_system(Name name)
{
    kvm_sregs none{};
    return segment(none, name) || table(none, name) || word(none, name);
}

SegmentRegister from_segment(kvm_segment const& from)
{
    auto const attributes = from.type | from.s << 4 | from.dpl << 5 | (from.unusable ? 0 : from.present) << 7 |
                            from.avl << 12 | from.l << 13 | from.db << 14 | from.g << 15;
    return {from.base, from.limit, from.selector, static_cast<std::uint16_t>(attributes)};
}

/// False when the value has bits that the register has not.
bool store(kvm_sregs& sregs, Name name, Value const& value)
{
    if (auto* const s = segment(sregs, name)) {
        auto const wanted = std::bit_cast<SegmentRegister>(value);
        *s = to_segment(wanted);
        return (wanted.attributes & reserved_attributes) == 0 && canonical(wanted.base, sregs);
    }
    if (auto* const t = table(sregs, name)) {
        *t = to_table(std::bit_cast<TableRegister>(value));
        return canonical(t->base, sregs);
    }
    *word(sregs, name) = value.low;
    return value.high == 0;
}

// Control registers and EFER (Intel SDM vol. 3 §2.5, §2.2.1).
constexpr std::uint64_t cr0_pe = 1U << 0;
constexpr std::uint64_t cr0_nw = 1U << 29;
constexpr std::uint64_t cr0_cd = 1U << 30;
constexpr std::uint64_t cr0_pg = 1U << 31;
constexpr std::uint64_t cr0_defined = 0xE005'003F;
constexpr std::uint64_t cr4_pae = 1U << 5;
constexpr std::uint64_t cr4_la57 = 1U << 12;
constexpr std::uint64_t efer_lme = 1U << 8;
constexpr std::uint64_t efer_lma = 1U << 10;
constexpr std::uint64_t efer_sce_lme_lma_nx = 1U << 0 | efer_lme | efer_lma | 1U << 11;
constexpr std::uint64_t highest_cr8 = 15;

} // namespace

kvm_segment to_segment(SegmentRegister const& from)
{
    auto const bits = [&](unsigned low, unsigned mask) { return static_cast<__u8>(from.attributes >> low & mask); };
    kvm_segment to{};
    to.base = from.base;
    to.limit = from.limit;
    to.selector = from.selector;
    to.type = bits(0, 0xF);
    to.s = bits(4, 1);
    to.dpl = bits(5, 3);
    to.present = bits(7, 1);
    to.avl = bits(12, 1);
    to.l = bits(13, 1);
    to.db = bits(14, 1);
    to.g = bits(15, 1);
    to.unusable = to.present ? 0 : 1;
    return to;
}

kvm_dtable to_table(TableRegister const& from)
{
    kvm_dtable to{};
    to.base = from.base;
    to.limit = from.limit;
    return to;
}

bool canonical(std::uint64_t address, kvm_sregs const& sregs)
{
    auto const shift = (sregs.cr4 & cr4_la57) != 0 ? 64 - 57 : 64 - 48;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << shift) >> shift) == address;
}

namespace {

bool in_long_mode(kvm_sregs const& sregs)
{
    return (sregs.efer & efer_lme) != 0 && (sregs.cr0 & cr0_pg) != 0;
}

/// Whether these go together (Intel SDM vol. 3 §27.3.1; Linux, kvm_is_valid_sregs).
bool consistent(kvm_sregs const& wanted)
{
    bool const long_mode = in_long_mode(wanted);
    if ((wanted.cr0 & cr0_pg) != 0 && (wanted.cr0 & cr0_pe) == 0) return false;
    if (((wanted.efer & efer_lma) != 0) != long_mode) return false;
    return long_mode || wanted.cr3 >> 32 == 0;
}

/// Whether each may have its value. Of EFER a guest may not get by this way what its CPUID may hide (SVM, for one).
bool each_acceptable(kvm_sregs const& wanted, kvm_sregs const& before)
{
    auto const cr0 = wanted.cr0;
    if ((cr0 & ~cr0_defined) != 0) return false;
    if ((cr0 & cr0_nw) != 0 && (cr0 & cr0_cd) == 0) return false;
    if (((wanted.efer ^ before.efer) & ~efer_sce_lme_lma_nx) != 0) return false;
    return wanted.cr8 <= highest_cr8;
}

} // namespace

bool acceptable(kvm_sregs const& wanted, kvm_sregs const& before)
{
    return each_acceptable(wanted, before) && consistent(wanted);
}

Result<Value> get_system(kvm_sregs const& sregs, Name name)
{
    if (!is_system(name)) return Status::InvalidParameter;
    auto from = sregs;
    if (auto const* const s = segment(from, name)) return std::bit_cast<Value>(from_segment(*s));
    if (auto const* const t = table(from, name)) return std::bit_cast<Value>(TableRegister{{}, t->limit, t->base});
    return Value{*word(from, name), 0};
}

Status set_system(int vcpu_fd, Name name, Value const& value)
{
    if (!is_system(name)) return Status::InvalidParameter;
    kvm_sregs before{};
    if (::ioctl(vcpu_fd, KVM_GET_SREGS, &before) != 0) return Status::InvalidParameter;
    auto wanted = before;
    if (!store(wanted, name, value) || !acceptable(wanted, before)) return Status::InvalidRegisterValue;
    return ::ioctl(vcpu_fd, KVM_SET_SREGS, &wanted) == 0 ? Status::Success : Status::InvalidRegisterValue;
}

kvm_sregs StagedSystem::over(kvm_sregs const& vcpu) const
{
    auto out = vcpu;
    for (auto const& [name, value] : waiting_)
        (void)store(out, name, value); // it was taken before
    bool const long_mode = in_long_mode(out);
    out.efer = long_mode ? out.efer | efer_lma : out.efer & ~efer_lma;
    return out;
}

Status StagedSystem::set(int vcpu_fd, Name name, Value const& value)
{
    if (!is_system(name)) return Status::InvalidParameter;
    kvm_sregs before{};
    if (::ioctl(vcpu_fd, KVM_GET_SREGS, &before) != 0) return Status::InvalidParameter;
    if (auto tried = over(before); !store(tried, name, value)) return Status::InvalidRegisterValue;

    auto const earlier = std::ranges::find(waiting_, name, &std::pair<Name, Value>::first);
    bool const is_new = earlier == waiting_.end();
    auto const former = is_new ? Value{} : earlier->second;
    if (is_new)
        waiting_.emplace_back(name, value); // there is room
    else
        earlier->second = value;
    auto const wanted = over(before);
    bool const lacks = in_long_mode(wanted) ? (wanted.cr4 & cr4_pae) == 0 : wanted.cs.l != 0;
    if (each_acceptable(wanted, before)) {
        if (lacks || !consistent(wanted)) return Status::Success;
        if (::ioctl(vcpu_fd, KVM_SET_SREGS, &wanted) == 0) {
            forget();
            return Status::Success;
        }
    }
    if (is_new)
        waiting_.pop_back();
    else
        earlier->second = former;
    return Status::InvalidRegisterValue;
}

} // namespace vmm::register_groups
