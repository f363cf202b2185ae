/// The payload of a message between a guest and its bus, while it waits.
#pragma once

#include "hv/abi/message.hpp"
#include "hv/base/state.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>

namespace hv::vmbus {

struct PostedMessage {
    std::array<std::byte, abi::max_payload> payload{};
    std::uint8_t size = 0;

    [[nodiscard]] static PostedMessage of(std::span<std::byte const> bytes)
    {
        PostedMessage message;
        message.size = static_cast<std::uint8_t>(std::min(bytes.size(), message.payload.size()));
        std::ranges::copy(bytes.first(message.size), message.payload.begin());
        return message;
    }
    [[nodiscard]] std::span<std::byte const> bytes() const
    {
        return std::span{payload}.first(std::min<std::size_t>(size, payload.size()));
    }

    static constexpr auto fields()
    {
        return std::tuple{StateField{"payload", &PostedMessage::payload}, StateField{"size", &PostedMessage::size}};
    }
};

} // namespace hv::vmbus
