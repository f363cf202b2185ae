/// Inputs and outputs of the calls by which a parent says what its child finds where nothing is intercepted: CPUID,
/// and MSRs that there are not (newest). What an input names a leaf by is in no text: from Linux's driver as QEMU and
/// rust-vmm use it (hv_register_x64_cpuid_result_parameters, hv_input_get_vp_cpuid_values).
#pragma once

#include "hv/abi/child.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace hv::abi {

struct CpuidResultName {
    std::uint32_t function;
    std::uint32_t index;
    std::uint8_t subleaf_specific;
    std::uint8_t always_override;
    std::uint16_t padding;
};
static_assert(sizeof(CpuidResultName) == 12);

/// HV_REGISTER_X64_CPUID_RESULT_PARAMETERS: the bits of each mask are those of the value in front of it.
struct CpuidResult {
    CpuidResultName name;
    std::uint32_t eax, eax_mask, ebx, ebx_mask, ecx, ecx_mask, edx, edx_mask;
};
static_assert(sizeof(CpuidResult) == 44);

/// HV_UNIMPLEMENTED_MSR_ACTION.
enum class MsrAction : std::uint32_t { Fault = 0, IgnoreWriteReadZero = 1 };

/// HV_REGISTER_X64_MSR_RESULT_PARAMETERS; without the action, what it is unregistered by.
struct MsrResult {
    std::uint32_t index;
    std::uint32_t access; ///< of intercept_access's masks
    MsrAction action;
};
static_assert(sizeof(MsrResult) == 12);

/// 0x0091, and 0x0092 with fewer words: one of the above, as the type says.
template <std::size_t words>
struct InterceptResultInput {
    std::uint64_t partition;
    std::uint32_t vp_index;
    InterceptType type;
    std::array<std::uint32_t, words> parameters;

    template <typename Parameters>
    [[nodiscard]] Parameters as() const
    {
        static_assert(sizeof(Parameters) <= sizeof parameters && std::is_trivially_copyable_v<Parameters>);
        Parameters out;
        std::memcpy(&out, parameters.data(), sizeof out);
        return out;
    }
};
using RegisterInterceptResultInput = InterceptResultInput<12>;
using UnregisterInterceptResultInput = InterceptResultInput<4>;
static_assert(sizeof(RegisterInterceptResultInput) == 64 && sizeof(UnregisterInterceptResultInput) == 32);

/// HV_GET_VP_CPUID_VALUES_FLAGS.
namespace cpuid_flag {
inline constexpr std::uint32_t use_vp_xfem_xss = 1U << 0;
inline constexpr std::uint32_t apply_registered = 1U << 1;
} // namespace cpuid_flag

struct GetVpCpuidValuesInput { // 0x00F4: header
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint32_t flags;
    std::uint32_t reserved;
    std::uint32_t padding;
};
static_assert(sizeof(GetVpCpuidValuesInput) == 24);

struct CpuidLeafInfo { // its input element
    std::uint32_t function;
    std::uint32_t index;
    std::uint64_t xfem;
    std::uint64_t xss;
};
static_assert(sizeof(CpuidLeafInfo) == 24);

struct CpuidValues { // its output element
    std::uint32_t eax, ebx, ecx, edx;

    friend bool operator==(CpuidValues const&, CpuidValues const&) = default;
};
static_assert(sizeof(CpuidValues) == 16);

} // namespace hv::abi
