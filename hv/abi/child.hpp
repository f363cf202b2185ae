/// Inputs and outputs of the calls of those who have children. HvCallGetPartitionPropertyEx is in no text: layout
/// from Linux, include/hyperv/hvhdk.h.
#pragma once

#include "hv/abi/partition_property.hpp"

#include <cstddef>
#include <cstdint>

namespace hv::abi {

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
