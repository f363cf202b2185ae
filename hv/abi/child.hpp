/// Inputs and outputs of the calls by which a partition makes children and deals with their memory (TLFS 2.0a §5.6,
/// §7.3, §8.3, §9.3, §10.4; the newest pages). HvCallGetPartitionPropertyEx is in no text: layout from Linux,
/// include/hyperv/hvhdk.h.
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

/// HV_MAP_GPA_FLAGS (2.0a §8.2.1, newest).
namespace map_flag {
inline constexpr std::uint32_t readable = 1U << 0;
inline constexpr std::uint32_t writable = 1U << 1;
inline constexpr std::uint32_t kernel_executable = 1U << 2;
inline constexpr std::uint32_t user_executable = 1U << 3;
inline constexpr std::uint32_t adjustable = 1U << 15; ///< Linux sets it, and no text says what it is
inline constexpr std::uint32_t no_access = 1U << 16;
inline constexpr std::uint32_t no_overlay = 1U << 20;
inline constexpr std::uint32_t not_cached = 1U << 21;
inline constexpr std::uint32_t large_page = 1U << 31;
} // namespace map_flag

/// 0x004B: header. The list is of page numbers of the caller's.
struct MapGpaPagesInput {
    std::uint64_t partition;
    std::uint64_t base; ///< page number in the child
    std::uint32_t flags;
    std::uint32_t padding;
};
static_assert(sizeof(MapGpaPagesInput) == 24 && offsetof(MapGpaPagesInput, flags) == 16);

/// 0x006E: header; its list is of HV_GPA_MAPPING. And 0x0090, whose list is of page numbers of the child's.
struct SparseGpaPagesInput {
    std::uint64_t partition;
    std::uint32_t flags; ///< of map_flag
    std::uint32_t reserved;
};
static_assert(sizeof(SparseGpaPagesInput) == 16);

struct GpaMapping {
    std::uint64_t target;
    std::uint64_t source;
};

/// HV_UNMAP_GPA_FLAGS (newest).
namespace unmap_flag {
inline constexpr std::uint32_t keep_precommitted = 1U << 1;
inline constexpr std::uint32_t large_page = 1U << 2;
} // namespace unmap_flag

/// 0x004C: header, without lists: the rep count says how many pages. 2.0a has no flags.
struct UnmapGpaPagesInput {
    std::uint64_t partition;
    std::uint64_t base;
    std::uint32_t flags;
    std::uint32_t padding;
};
static_assert(sizeof(UnmapGpaPagesInput) == 24);

/// hv_gpa_page_access_state_flags of Linux, include/hyperv/hvhdk_mini.h: what is done when the states have been told.
namespace access_flag {
inline constexpr std::uint64_t clear_accessed = 1U << 0;
inline constexpr std::uint64_t set_accessed = 1U << 1;
inline constexpr std::uint64_t clear_dirty = 1U << 2;
inline constexpr std::uint64_t set_dirty = 1U << 3;
} // namespace access_flag

/// hv_gpa_page_access_state of Linux.
namespace page_access {
inline constexpr std::uint8_t accessed = 1U << 0;
inline constexpr std::uint8_t dirty = 1U << 1;
} // namespace page_access

/// 0x00C9: header, without an input list; the output list has a byte of page_access for each page.
struct GetGpaPagesAccessStatesInput {
    std::uint64_t partition;
    std::uint64_t flags;
    std::uint64_t base; ///< page number in the child
};
static_assert(sizeof(GetGpaPagesAccessStatesInput) == 24);

/// HV_INTERCEPT_TYPE.
enum class InterceptType : std::uint32_t {
    IoPort = 0,
    Msr = 1,
    Cpuid = 2,
    Exception = 3,
    IoPortRange = 0x11,
};

/// HV_INTERCEPT_ACCESS_TYPE_MASK, and one of its bits in a message.
namespace intercept_access {
inline constexpr std::uint32_t read = 0; ///< HV_INTERCEPT_ACCESS_READ, in a message
inline constexpr std::uint32_t write = 1;
inline constexpr std::uint32_t execute = 2;
inline constexpr std::uint32_t read_mask = 1U << 0;
inline constexpr std::uint32_t write_mask = 1U << 1;
inline constexpr std::uint32_t execute_mask = 1U << 2;
} // namespace intercept_access

struct InstallInterceptInput { // 0x004D
    std::uint64_t partition;
    std::uint32_t access;
    InterceptType type;
    std::uint64_t parameter;
};
static_assert(sizeof(InstallInterceptInput) == 24 && offsetof(InstallInterceptInput, parameter) == 16);

struct CreateVpInput { // 0x004E, as newest has it
    std::uint64_t partition = 0;
    std::uint32_t vp_index = 0;
    std::uint8_t reserved[3]{};
    std::uint8_t subnode_type = 0;
    std::uint64_t subnode_id = 0;
    ProximityDomain proximity{};
    std::uint64_t flags = 0;
};
static_assert(sizeof(CreateVpInput) == 40 && offsetof(CreateVpInput, proximity) == 24);

struct DeleteVpInput { // 0x004F
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint32_t padding;
};
static_assert(sizeof(DeleteVpInput) == 16);

/// HV_VP_STATE_PAGE_TYPE.
enum class VpStatePage : std::uint16_t {
    Registers = 0,
    InterceptMessage = 1,
};

struct MapVpStatePageInput { // 0x00E1
    static constexpr std::uint8_t location_provided = 1;

    std::uint64_t partition;
    std::uint32_t vp_index;
    VpStatePage type;
    std::uint8_t input_vtl;
    std::uint8_t flags;
    std::uint64_t location; ///< page number of the caller's
};
static_assert(sizeof(MapVpStatePageInput) == 24 && offsetof(MapVpStatePageInput, location) == 16);

struct MapVpStatePageOutput {
    std::uint64_t location;
};

struct UnmapVpStatePageInput { // 0x00E2
    std::uint64_t partition;
    std::uint32_t vp_index;
    VpStatePage type;
    std::uint8_t input_vtl;
    std::uint8_t reserved;
};
static_assert(sizeof(UnmapVpStatePageInput) == 16);

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
