/// The AML of devices that follow from what a machine's components claim (ACPI 6.5 §6.4.2, §20.2).
#pragma once

#include "devices/pc/resources.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace vmm {

/// A scope \_SB with a device for each claim that asks for one, in their order, and then the motherboard's.
[[nodiscard]] std::vector<std::byte> describe_in_aml(std::span<devices::Resources::Claim const> claims);

} // namespace vmm
