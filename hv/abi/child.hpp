/// Inputs and outputs of the calls by which a partition makes children and deals with their memory (TLFS 2.0a §5.6,
/// §7.3; the newest pages). HvCallGetPartitionPropertyEx is in no text: layout from Linux, include/hyperv/hvhdk.h.
#pragma once

#include "hv/abi/partition_property.hpp"

#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// HV_PROXIMITY_DOMAIN_INFO.
struct ProximityDomain {
    static constexpr std::uint32_t known_flags = 1U << 31 | 1U; ///< valid, preferred

    std::uint32_t id = 0;
    std::uint32_t flags = 0;

    [[nodiscard]] constexpr bool reserved_clear() const { return (flags & ~known_flags) == 0; }
};
static_assert(sizeof(ProximityDomain) == 8);

/// HV_PARTITION_CREATION_FLAG_….
namespace creation_flag {
inline constexpr std::uint64_t super_pages = 1U << 4;
inline constexpr std::uint64_t exo_partition = 1U << 8;
inline constexpr std::uint64_t local_apic = 1U << 13;
inline constexpr std::uint64_t intercept_page = 1U << 19;
inline constexpr std::uint64_t x2apic = 1U << 22;
} // namespace creation_flag

struct CreatePartitionInput { // 0x0040
    std::uint64_t flags = 0;
    ProximityDomain proximity{};
    std::uint32_t compatibility_version = 0;
    std::uint32_t padding = 0;
    std::uint64_t disabled_features[2]{};
    std::uint64_t disabled_xsave_features = 0;
    std::uint64_t reserved = 0; ///< Linux: isolation, of which this says none
};
static_assert(sizeof(CreatePartitionInput) == 56 && offsetof(CreatePartitionInput, reserved) == 48);

struct PartitionIdOutput { // of 0x0040 and 0x0047
    std::uint64_t partition;
};

struct PartitionInput { // 0x0041, 0x0042, 0x0043
    std::uint64_t partition;
};

struct SetPartitionPropertyInput { // 0x0045
    std::uint64_t partition;
    PartitionProperty code;
    std::uint32_t padding;
    std::uint64_t value;
};
static_assert(sizeof(SetPartitionPropertyInput) == 24 && offsetof(SetPartitionPropertyInput, value) == 16);

struct GetNextChildPartitionInput { // 0x0047
    std::uint64_t parent;
    std::uint64_t previous;
};
static_assert(sizeof(GetNextChildPartitionInput) == 16);

/// 0x0048: header. The list is of page numbers of the caller's.
struct DepositMemoryInput {
    std::uint64_t partition;
};

/// 0x0049: header, without an input list; its output list is of page numbers. And 0x004A.
struct MemoryPoolInput {
    std::uint64_t partition;
    ProximityDomain proximity;
};
static_assert(sizeof(MemoryPoolInput) == 16);

struct GetMemoryBalanceOutput { // 0x004A
    std::uint64_t pages_available;
    std::uint64_t pages_in_use;
};

struct GetPartitionPropertyExInput { // 0x0101
    std::uint64_t partition;
    PartitionProperty code;
    std::uint32_t padding;
    std::uint64_t argument;
};
static_assert(sizeof(GetPartitionPropertyExInput) == 24 && offsetof(GetPartitionPropertyExInput, argument) == 16);

/// hv_partition_property_vmm_capabilities of Linux.
struct VmmCapabilities {
    static constexpr std::uint64_t overlay_location = 1U << 1; ///< parents say where state pages are to appear

    std::uint16_t banks;
    std::uint16_t reserved[3];
    std::uint64_t bank;
};
static_assert(sizeof(VmmCapabilities) == 16);

} // namespace hv::abi
