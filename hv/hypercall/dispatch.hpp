/// From the registers of a hypercall to its handler and back (TLFS 2.0a chapter 4). What the calls do is not known
/// here.
#pragma once

#include "hv/abi/hypercall.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <cstdint>

namespace hv {

/// The three values a caller passes, already taken from the registers of its mode: RCX, RDX and R8 of a 64-bit
/// caller, EDX:EAX, EBX:ECX and EDI:ESI of a 32-bit one.
struct HypercallRegisters {
    abi::Control control;
    std::uint64_t input;  ///< a GPA, or the first eight bytes of a fast call's input
    std::uint64_t output; ///< a GPA, or the second eight bytes of a fast call's input
};

/// Performs the call on the VP's own thread and returns the hypercall result value. Never throws.
[[nodiscard]] std::uint64_t dispatch(VirtualProcessor& vp, HypercallRegisters const& registers);

} // namespace hv
