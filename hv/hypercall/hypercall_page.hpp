/// The code that a guest calls to reach the hypervisor (TLFS 2.0a §4.12). What is in it is the hypervisor's business.
#pragma once

#include "hv/overlay_page.hpp"

#include <cstdint>

namespace hv {

/// The OUT ports that the page leads to. Nothing on a PC answers there.
inline constexpr std::uint16_t hypercall_port_64bit = 0xE6;
inline constexpr std::uint16_t hypercall_port_32bit = 0xE7;

[[nodiscard]] OverlayPage::Content const& hypercall_page();

} // namespace hv
