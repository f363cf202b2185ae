/// Inputs and outputs of the calls by which a parent gives its child's SynIC messages and events without a port
/// (newest). The message's place is that of Linux and OpenVMM (hvdef, PostMessageDirect): the newest text has it at
/// 16, with 240 bytes, which is no whole message.
#pragma once

#include "hv/abi/message.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

struct SignalEventDirectInput { // 0x00C0
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint8_t vtl; ///< HV_VTL
    std::uint8_t sint;
    std::uint16_t flag;
};
static_assert(sizeof(SignalEventDirectInput) == 16);

struct SignalEventDirectOutput {
    std::uint8_t newly_signaled;
    std::uint8_t padding[7];
};

struct PostMessageDirectInput { // 0x00C1
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint8_t vtl; ///< HV_VTL
    std::uint8_t padding0[3];
    std::uint8_t sint;
    std::uint8_t padding1[3];
    std::array<std::uint32_t, sizeof(Message) / sizeof(std::uint32_t)> message;
    std::uint32_t padding2;
};
static_assert(sizeof(PostMessageDirectInput) == 280 && offsetof(PostMessageDirectInput, message) == 20);

} // namespace hv::abi
