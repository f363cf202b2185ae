/// What messages to a guest are made of.
#pragma once

#include "hv/abi/vmbus.hpp"

#include <cstdint>

namespace hv::vmbus {

namespace ntstatus {
inline constexpr std::uint32_t success = 0;
inline constexpr std::uint32_t unsuccessful = 0xC000'0001;
inline constexpr std::uint32_t invalid_parameter = 0xC000'000D;
inline constexpr std::uint32_t connection_refused = 0xC000'0236;
} // namespace ntstatus

/// With what a guest looks for the bus.
struct Contact {
    abi::VmbusVersion version{};
    std::uint32_t target_vp = 0;
    std::uint8_t sint = 0;
};

[[nodiscard]] constexpr abi::ChannelMessageHeader header(abi::ChannelMessageType type)
{
    return {type, 0};
}

} // namespace hv::vmbus
