/// The ways to make a hypercall other than with its input in memory from 64-bit code: from registers, and from 32-bit
/// code. Online, hypercall-interface, register conventions and XMM fast input.
#pragma once

#include "runtime/hyperv.hpp"
#include "runtime/memory.hpp"

namespace guest {

/// Makes a fast call with up to 14 words in RDX, R8 and XMM0 to XMM5. The whole result value.
u64 call_by_registers(u64 control, u64 const* words, unsigned count);

/// Makes a call from 32-bit code, on the boot processor: control word in EDX:EAX, parameters in EBX:ECX and EDI:ESI.
/// The whole result value.
u64 call_32(u64 control, u64 first = 0, u64 second = 0);

/// The same as a fast call, with up to 14 words in EBX:ECX, EDI:ESI and XMM0 to XMM5.
u64 call_32_by_registers(u64 control, u64 const* words, unsigned count);

/// A call from 32-bit code with this input in memory and, unless it is zero, the output at this place in the same
/// page.
template <typename Input>
hv::Status call_32_with(u64 control, Input const& input, u64 output_at = 0)
{
    auto* const page = static_cast<u8*>(hv::input_page());
    memcpy(page, &input, sizeof input);
    return hv::status(call_32(control, gpa(page), output_at ? gpa(page) + output_at : 0));
}

} // namespace guest
