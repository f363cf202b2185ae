/// The code that a guest calls to reach the hypervisor (TLFS 2.0a §4.12). What is in it is the hypervisor's business.
#pragma once

#include "hv/overlay_page.hpp"

#include <cstdint>

namespace hv {

/// The ports that the page leads to. Nothing on a PC answers there. A 64-bit caller's result is what a 32-bit IN
/// brings, zero-extended, or is in RAX after an OUT; a 32-bit caller's is in EDX:EAX after an OUT.
inline constexpr std::uint16_t hypercall_port_64bit = 0xE6;
inline constexpr std::uint16_t hypercall_port_32bit = 0xE7;

[[nodiscard]] OverlayPage::Content const& hypercall_page();

} // namespace hv
