/// What a guest is told of its monitor.
#pragma once

#include "devices/vmbus/video/protocol.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace devices::vmbus::video {

/// All of them fit 8 MiB with 32 bits a pixel.
[[nodiscard]] std::span<Resolution const> resolutions();
inline constexpr std::uint8_t preferred_resolution = 2; ///< 1024 by 768

/// VESA E-EDID 1.4: the name by which guests know Hyper-V's monitor, and the timing of the preferred resolution.
[[nodiscard]] std::array<std::uint8_t, edid_bytes> edid();

} // namespace devices::vmbus::video
