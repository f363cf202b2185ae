/// Inputs and outputs of the calls about partitions and virtual processors (TLFS 6.0b §7.10, 2.0a §10.4, §13.5,
/// §5.6).
#pragma once

#include "hv/abi/partition_property.hpp"
#include "hv/abi/register_name.hpp"

#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// HV_INPUT_VTL that names VTL 0, the only one there is: by number, or as the caller's own.
[[nodiscard]] constexpr bool names_vtl0(std::uint8_t input_vtl)
{
    constexpr std::uint8_t use_target = 1U << 4;
    constexpr std::uint8_t target = 0xF;
    constexpr std::uint8_t reserved = 0xE0;
    if ((input_vtl & reserved) != 0) return false;
    return (input_vtl & use_target) == 0 || (input_vtl & target) == 0;
}

struct NotifyLongSpinWaitInput { // 0x0008
    std::uint32_t spin_count;
    std::uint32_t reserved;
};
static_assert(sizeof(NotifyLongSpinWaitInput) == 8);

struct SendClusterIpiInput { // 0x000B
    std::uint32_t vector;
    std::uint8_t target_vtl; ///< HV_INPUT_VTL
    std::uint8_t padding[3];
    std::uint64_t processor_mask; ///< bit n: VP n
};
static_assert(sizeof(SendClusterIpiInput) == 16 && offsetof(SendClusterIpiInput, processor_mask) == 8);

/// HV_VP_SET.Format.
enum class VpSetFormat : std::uint64_t { Sparse = 0, All = 1 };

/// 0x0015. A variable header of one mask for each valid bank follows.
struct SendClusterIpiExInput {
    std::uint32_t vector;
    std::uint8_t target_vtl; ///< HV_INPUT_VTL
    std::uint8_t padding[3];
    VpSetFormat format;
    std::uint64_t valid_banks; ///< bit n: there is a mask for VPs 64 * n to 64 * n + 63
};
static_assert(sizeof(SendClusterIpiExInput) == 24 && offsetof(SendClusterIpiExInput, valid_banks) == 16);

inline constexpr unsigned vps_per_bank = 64;

struct GetPartitionPropertyInput { // 0x0044
    std::uint64_t partition;
    PartitionProperty code;
    std::uint32_t padding;
};
static_assert(sizeof(GetPartitionPropertyInput) == 16 && offsetof(GetPartitionPropertyInput, code) == 8);

struct GetPartitionPropertyOutput {
    std::uint64_t value;
};

struct ExtQueryCapabilitiesOutput { // 0x8001
    std::uint64_t capabilities;
};

/// 0x0050 and 0x0051: header. The list of 0x0050 is of names, its output of values.
struct VpRegistersInput {
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint8_t input_vtl; ///< HV_INPUT_VTL
    std::uint8_t reserved[3];
};
static_assert(sizeof(VpRegistersInput) == 16 && offsetof(VpRegistersInput, input_vtl) == 12);

/// 0x0051: input element.
struct SetRegisterElement {
    RegisterName name;
    std::uint32_t padding0;
    std::uint64_t padding1;
    RegisterValue value;
};
static_assert(sizeof(SetRegisterElement) == 32 && offsetof(SetRegisterElement, value) == 16);

struct StartVirtualProcessorInput { // 0x0099
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint8_t target_vtl;
    std::uint8_t padding[3];
    InitialVpContext context;
};
static_assert(sizeof(StartVirtualProcessorInput) == 240);

/// 0x009A: header, input element, output element.
struct GetVpIndexFromApicIdInput {
    std::uint64_t partition;
    std::uint8_t target_vtl;
    std::uint8_t padding[7];
};
static_assert(sizeof(GetVpIndexFromApicIdInput) == 16);

struct ApicIdElement {
    std::uint32_t apic_id;
    std::uint32_t padding;
};
static_assert(sizeof(ApicIdElement) == 8);

struct VpIndexElement {
    std::uint32_t vp_index;
    std::uint32_t padding;
};
static_assert(sizeof(VpIndexElement) == 8);

} // namespace hv::abi
