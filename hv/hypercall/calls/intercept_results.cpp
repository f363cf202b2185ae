/// What a child finds where nothing is intercepted (newest; 6.0b appendix A).
#include "hv/abi/intercept_result.hpp"
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/on_child_vp.hpp"

namespace hv::calls {

/// HvCallRegisterInterceptResult (call code 0x0091).
Status register_intercept_result(Caller const& caller, abi::RegisterInterceptResultInput const& in)
{
    return on_child_vp(caller, in.partition, in.vp_index, [&](ChildVp& vp) {
        switch (in.type) {
        case abi::InterceptType::Cpuid: return vp.register_result(in.as<abi::CpuidResult>());
        case abi::InterceptType::Msr: return vp.register_result(in.as<abi::MsrResult>());
        default: return Status::InvalidParameter;
        }
    });
}

/// HvCallUnregisterInterceptResult (call code 0x0092).
Status unregister_intercept_result(Caller const& caller, abi::UnregisterInterceptResultInput const& in)
{
    return on_child_vp(caller, in.partition, in.vp_index, [&](ChildVp& vp) {
        switch (in.type) {
        case abi::InterceptType::Cpuid: return vp.unregister_result(in.as<abi::CpuidResultName>());
        case abi::InterceptType::Msr: return vp.unregister_result(in.as<abi::MsrResult>());
        default: return Status::InvalidParameter;
        }
    });
}

/// HvCallGetVpCpuidValues (call code 0x00F4, rep).
Progress get_vp_cpuid_values(Caller const& caller, abi::GetVpCpuidValuesInput const& in,
                             std::span<abi::CpuidLeafInfo const> leaves, std::span<abi::CpuidValues> values)
{
    constexpr auto known = abi::cpuid_flag::use_vp_xfem_xss | abi::cpuid_flag::apply_registered;
    auto const status = on_child_vp(caller, in.partition, in.vp_index, [&](ChildVp& vp) {
        if ((in.flags & ~known) != 0 || in.reserved != 0) return Status::InvalidParameter;
        return vp.cpuid(in.flags, leaves, values);
    });
    return {status, status == Status::Success ? leaves.size() : 0};
}

} // namespace hv::calls
