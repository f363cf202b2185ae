#include "vmm/kvm/msr_access.hpp"
#include "vmm/kvm/register_groups.hpp"

#include <optional>
#include <sys/ioctl.h>

namespace vmm::register_groups {

namespace {

/// What a register name stands for among the MSRs (Intel SDM vol. 4, AMD APM vol. 2 appendix A).
struct Msr {
    std::uint32_t number;
    bool writable = true;
    bool is_address = false; ///< must be canonical
};

constexpr bool read_only = false;

/// The TSC is set for all VPs at once, by the model. Setting TSC_ADJUST here moves no TSC (Linux,
/// kvm_set_msr_common).
std::optional<Msr> find(Name name)
{
    using hv::abi::distance;
    switch (name) {
    case Name::Tsc: return Msr{0x10, read_only};
    case Name::TscAdjust: return Msr{0x3B};
    case Name::SpecCtrl: return Msr{0x48};
    case Name::MtrrCap: return Msr{0xFE, read_only};
    case Name::TsxCtrl: return Msr{0x122};
    case Name::SysenterCs: return Msr{0x174};
    case Name::SysenterEsp: return Msr{0x175, true, true};
    case Name::SysenterEip: return Msr{0x176, true, true};
    case Name::MiscEnable: return Msr{0x1A0};
    case Name::DebugCtl: return Msr{0x1D9};
    case Name::MtrrFix64k00000: return Msr{0x250};
    case Name::MtrrFix16k80000: return Msr{0x258};
    case Name::MtrrFix16kA0000: return Msr{0x259};
    case Name::Pat: return Msr{0x277};
    case Name::MtrrDefType: return Msr{0x2FF};
    case Name::Xss: return Msr{0xDA0};
    case Name::Star: return Msr{0xC000'0081};
    case Name::Lstar: return Msr{0xC000'0082, true, true};
    case Name::Cstar: return Msr{0xC000'0083, true, true};
    case Name::Sfmask: return Msr{0xC000'0084};
    case Name::KernelGsBase: return Msr{0xC000'0102, true, true};
    case Name::TscAux: return Msr{0xC000'0103};
    default: break;
    }
    constexpr std::uint32_t variable_ranges = 0x200;
    constexpr std::uint32_t fixed_4k_ranges = 0x268;
    if (auto const n = distance(Name::MtrrPhysBase0, name); n < 16) return Msr{variable_ranges + 2 * n};
    if (auto const n = distance(Name::MtrrPhysMask0, name); n < 16) return Msr{variable_ranges + 2 * n + 1};
    if (auto const n = distance(Name::MtrrFix4kC0000, name); n < 8) return Msr{fixed_4k_ranges + n};
    return std::nullopt;
}

} // namespace

bool acceptable_pat(std::uint64_t pat)
{
    constexpr unsigned memory_types = 0b1111'0011; // 2 and 3 are reserved (Intel SDM vol. 3 §12.12.2)
    for (; pat != 0; pat >>= 8) {
        auto const type = pat & 0xFF;
        if (type > 7 || (memory_types >> type & 1) == 0) return false;
    }
    return true;
}

Result<Value> get_model_specific(int vcpu_fd, Name name)
{
    auto const msr = find(name);
    if (!msr) return Status::InvalidParameter;
    auto const content = get_msr(vcpu_fd, msr->number);
    if (!content) return Status::InvalidParameter;
    return Value{*content, 0};
}

Status set_model_specific(int vcpu_fd, Name name, Value const& value)
{
    auto const msr = find(name);
    if (!msr || !msr->writable || !get_msr(vcpu_fd, msr->number)) return Status::InvalidParameter;
    if (value.high != 0 || (name == Name::Pat && !acceptable_pat(value.low))) return Status::InvalidRegisterValue;
    if (msr->is_address) {
        kvm_sregs sregs{};
        if (::ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) != 0 || !canonical(value.low, sregs))
            return Status::InvalidRegisterValue;
    }
    return set_msr(vcpu_fd, msr->number, value.low) ? Status::Success : Status::InvalidRegisterValue;
}

} // namespace vmm::register_groups
