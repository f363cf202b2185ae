/// The registers of a VP by name: synthetic ones are the model's, all others the machine's.
#include "hv/abi/msr.hpp"
#include "hv/cpuid/leaves.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <utility>

namespace hv {

namespace {

namespace msr = abi::msr;
using Name = abi::RegisterName;
using abi::distance;

/// The MSR that is the same register.
std::optional<std::uint32_t> msr_of(Name name)
{
    switch (name) {
    case Name::VpRuntime: return msr::vp_runtime;
    case Name::Hypercall: return msr::hypercall;
    case Name::GuestOsId: return msr::guest_os_id;
    case Name::VpIndex: return msr::vp_index;
    case Name::TimeRefCount: return msr::time_ref_count;
    case Name::VpAssistPage: return msr::vp_assist_page;
    case Name::ReferenceTsc: return msr::reference_tsc;
    case Name::Scontrol: return msr::scontrol;
    case Name::Sversion: return msr::sversion;
    case Name::Siefp: return msr::siefp;
    case Name::Simp: return msr::simp;
    case Name::Eom: return msr::eom;
    case Name::Sirbp: return msr::sirbp;
    case Name::GuestCrashCtl: return msr::crash_ctl;
    default: break;
    }
    if (auto const n = distance(Name::Sint0, name); n < sint_count) return msr::sint0 + n;
    if (auto const n = distance(Name::Stimer0Config, name); n <= msr::stimer3_count - msr::stimer0_config)
        return msr::stimer0_config + n;
    if (auto const n = distance(Name::GuestCrashP0, name); n < abi::crash_parameter_count) return msr::crash_p0 + n;
    return std::nullopt;
}

/// The CPUID leaf that is the same information (newest, HV_REGISTER_NAME).
std::optional<std::size_t> leaf_of(Name name)
{
    switch (name) {
    case Name::HypervisorVersion: return 2;
    case Name::PrivilegesAndFeaturesInfo: return 3;
    case Name::FeaturesInfo: return 4;
    case Name::ImplementationLimitsInfo: return 5;
    case Name::HardwareFeaturesInfo: return 6;
    default: return std::nullopt;
    }
}

bool read_only(std::uint32_t number)
{
    return number == msr::vp_runtime || number == msr::vp_index || number == msr::time_ref_count ||
           number == msr::sversion;
}

} // namespace

Result<abi::RegisterValue> VirtualProcessor::get_register(Name name)
{
    using abi::RegisterValue;
    if (auto const number = msr_of(name)) {
        auto const content = read(*number);
        if (!content) return Status::InvalidParameter;
        return RegisterValue{*content, 0};
    }
    if (auto const index = leaf_of(name)) {
        CpuidLimits const limits{environment_.max_vps(), environment_.processor().physical_address_bits};
        auto const leaf = hypervisor_leaves(environment_.rights(), limits)[*index];
        return RegisterValue{leaf.eax | std::uint64_t{leaf.ebx} << 32, leaf.ecx | std::uint64_t{leaf.edx} << 32};
    }
    if (name == Name::InitialApicId) return RegisterValue{index_.value, 0};
    if (suspension_ && Suspension::has(name)) return suspension_->get(name);
    return control_.get_register(name);
}

Status VirtualProcessor::set_register(Name name, abi::RegisterValue const& value)
{
    if (auto const number = msr_of(name)) {
        if (read_only(*number) || !read(*number)) return Status::InvalidParameter;
        return value.high == 0 && write(*number, value.low) ? Status::Success : Status::InvalidRegisterValue;
    }
    if (leaf_of(name) || name == Name::InitialApicId) return Status::InvalidParameter;
    if (name == Name::Tsc) {
        if (value.high != 0) return Status::InvalidRegisterValue;
        return environment_.set_tsc(value.low, acceleration_) ? Status::Success : Status::InvalidParameter;
    }
    if (suspension_ && Suspension::has(name)) return suspension_->set(name, value);
    registers_changed();
    return control_.set_register(name, value);
}

Status VirtualProcessor::begin_visit()
{
    return register_page_ ? register_page_->take_changes(control_) : Status::Success;
}

void VirtualProcessor::end_visit()
{
    bool const changed = std::exchange(registers_changed_, false);
    if (!register_page_ || !register_page_->is_shown()) return;
    if (!suspension_->suspended()) return register_page_->close();
    if (changed || !register_page_->is_open()) register_page_->open(control_);
}

} // namespace hv
