/// The part of the DSDT that is the same for all guests, compiled from dsdt.asl when Porthole is built.
#pragma once

#include <cstddef>
#include <span>

namespace vmm {

/// A whole table with its header and a valid checksum.
[[nodiscard]] std::span<std::byte const> dsdt();

} // namespace vmm
