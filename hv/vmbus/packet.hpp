/// What comes out of a ring: a copy, so that the guest can change nothing any more.
#pragma once

#include "hv/abi/vmbus_ring.hpp"
#include "hv/base/guest_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace hv::vmbus {

/// No guest sends a longer one: hv_sock's have 16 KiB, and a GPA-direct one of this size names 31 MiB.
inline constexpr std::uint32_t longest_packet = 64 << 10;

/// Valid until the next packet is taken out of the same ring.
struct Packet {
    abi::PacketDescriptor descriptor;
    std::span<std::byte const> header;  ///< between the descriptor and the payload: ranges, of GPA-direct packets
    std::span<std::byte const> payload; ///< may have up to seven bytes of padding at its end

    [[nodiscard]] abi::PacketType type() const { return descriptor.type; }
    [[nodiscard]] std::uint64_t transaction() const { return descriptor.transaction; }
    [[nodiscard]] bool wants_completion() const
    {
        return (descriptor.flags & abi::packet_flag_completion_requested) != 0;
    }

    /// The structure at the start of the payload; false when the payload is shorter.
    template <typename T>
    [[nodiscard]] bool read(T& out, std::size_t offset = 0) const
    {
        static_assert(std::is_trivially_copyable_v<T>);
        if (offset > payload.size() || sizeof(T) > payload.size() - offset) return false;
        std::memcpy(&out, payload.data() + offset, sizeof(T));
        return true;
    }
};

/// A piece of guest RAM, as the host sees it.
using GuestSpan = std::span<std::byte>;

/// The memory that a GPA-direct packet names, all ranges one after the other, neighbouring pages joined. False, with
/// `out` in an unknown state, when the header is malformed, names what is not RAM, or more than `max_bytes` in all.
[[nodiscard]] bool gpa_direct(Packet const& packet, GuestMemory const& memory, std::uint64_t max_bytes,
                              std::vector<GuestSpan>& out);

} // namespace hv::vmbus
