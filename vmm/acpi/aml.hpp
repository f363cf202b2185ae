/// The AML of devices that follow from what a machine is made of: its components' claims, and its processors
/// (ACPI 6.5 §6.4.2, §8.4, §20.2).
#pragma once

#include "devices/pc/resources.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace vmm {

/// A scope \_SB with a device for each claim that asks for one, in their order, and then the motherboard's.
[[nodiscard]] std::vector<std::byte> describe_in_aml(std::span<devices::Resources::Claim const> claims);

/// A scope \_SB with a processor device for each of `count`, whose unique IDs are those of the MADT: 0 to count - 1.
/// Windows' and Linux's drivers for processors bind to these. Throws std::length_error when names run out.
[[nodiscard]] std::vector<std::byte> processors_in_aml(unsigned count);

} // namespace vmm
