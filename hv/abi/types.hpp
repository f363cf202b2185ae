/// The identifiers of the Hyper-V model as distinct types, so that a port ID is never taken for a connection ID.
#pragma once

#include <compare>
#include <cstdint>

namespace hv {

/// A value of type Rep that converts to nothing else by accident.
template <typename Tag, typename Rep>
struct Id {
    using Representation = Rep;

    Rep value{};

    constexpr Id() = default;
    constexpr explicit Id(Rep v) : value{v} {}
    friend constexpr auto operator<=>(Id, Id) = default;
};

using PartitionId = Id<struct PartitionIdTag, std::uint64_t>;   ///< HV_PARTITION_ID
using PortId = Id<struct PortIdTag, std::uint32_t>;             ///< HV_PORT_ID; the high 8 bits must be zero
using ConnectionId = Id<struct ConnectionIdTag, std::uint32_t>; ///< HV_CONNECTION_ID; the high 8 bits must be zero
using VpIndex = Id<struct VpIndexTag, std::uint32_t>;           ///< HV_VP_INDEX
using Sint = Id<struct SintTag, std::uint32_t>;                 ///< HV_SYNIC_SINT_INDEX, 0 to 15 when valid
using Gpa = Id<struct GpaTag, std::uint64_t>;                   ///< guest-physical address, bytes
using RefTime = Id<struct RefTimeTag, std::uint64_t>;           ///< partition reference time, 100 ns units

inline constexpr PartitionId invalid_partition{0};                  ///< HV_PARTITION_ID_INVALID
inline constexpr PartitionId self_partition{0xFFFF'FFFF'FFFF'FFFF}; ///< HV_PARTITION_ID_SELF
inline constexpr VpIndex any_vp{0xFFFF'FFFF};                       ///< HV_ANY_VP
inline constexpr VpIndex self_vp{0xFFFF'FFFE};                      ///< HV_VP_INDEX_SELF

inline constexpr std::uint64_t page_size = 4096;
inline constexpr unsigned sint_count = 16;

} // namespace hv
