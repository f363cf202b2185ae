/// Names and fields for the trace: what a number or a parameter block means.
#pragma once

#include "hv/abi/hypercall.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vmm {

/// "SINT2", "STIMER0_COUNT"; the number in hexadecimal for one that has no name.
[[nodiscard]] std::string msr_name(std::uint32_t msr);

/// The fields of a call's input, "PortPartition=2 PortId=0x10"; nothing for a call without input.
[[nodiscard]] std::string describe_input(std::uint16_t code, std::span<std::byte const> input);

} // namespace vmm
