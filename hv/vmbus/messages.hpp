/// What messages to a guest are made of.
#pragma once

#include "hv/abi/vmbus.hpp"
#include "hv/base/state.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>

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

    static constexpr auto fields()
    {
        return std::tuple{StateField{"version", &Contact::version}, StateField{"target_vp", &Contact::target_vp},
                          StateField{"sint", &Contact::sint}};
    }
};

[[nodiscard]] constexpr bool is_known(abi::VmbusVersion version)
{
    using enum abi::VmbusVersion;
    constexpr std::array versions{Win8, Win8_1, Win10, Win10Rs3, V5_0, V5_1, V5_2, V5_3};
    return std::ranges::find(versions, version) != versions.end();
}

[[nodiscard]] constexpr abi::ChannelMessageHeader header(abi::ChannelMessageType type)
{
    return {type, 0};
}

} // namespace hv::vmbus
