/// The code that a guest calls to reach the hypervisor (TLFS 2.0a §4.12). What is in it is the hypervisor's business.
#pragma once

#include "hv/abi/hypercall.hpp"
#include "hv/base/overlay_page.hpp"

#include <cstdint>
#include <vector>

namespace hv {

/// The ports that the page leads to. Nothing on a PC answers there. A 64-bit caller's result is what a 32-bit IN
/// brings, zero-extended, or is in RAX after an OUT; a 32-bit caller's is in EDX:EAX after an OUT.
inline constexpr std::uint16_t hypercall_port_64bit = 0xE6;
inline constexpr std::uint16_t hypercall_port_32bit = 0xE7;

/// The calls that the page gives to the Hyper-V emulation of the KVM below, and the instruction that reaches it. KVM
/// sees such a call whole, with the caller's registers; Porthole does not see it.
struct KernelCalls {
    enum class Instruction : std::uint8_t { Vmcall, Vmmcall }; ///< of Intel's processors, of AMD's

    Instruction instruction = Instruction::Vmcall;
    std::vector<abi::CallCode> codes{}; ///< below 0x80, and no more than eight
};

[[nodiscard]] OverlayPage::Content hypercall_page(KernelCalls const& kernel = {});

} // namespace hv
