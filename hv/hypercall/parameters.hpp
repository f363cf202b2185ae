/// Where a hypercall's parameters are, and how they get here (TLFS 2.0a §4.6, §4.7).
#pragma once

#include "hv/abi/hypercall.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/hypercall/call_info.hpp"
#include "hv/hypercall/dispatch.hpp"

#include <cstddef>
#include <cstring>
#include <span>

namespace hv {

/// The host address of a parameter block, or nullptr when it is misaligned, crosses a page or is not RAM (§4.6).
[[nodiscard]] inline std::byte* parameter_block(GuestMemory const& memory, std::uint64_t gpa, std::size_t size)
{
    if (gpa % abi::parameter_alignment != 0 || gpa % page_size + size > page_size) return nullptr;
    return memory.at(Gpa{gpa}, size);
}

/// A fast call's input of `size` bytes: two registers, and XMM0 to XMM5 behind them (§4.7.1). `to` has room for all
/// of them.
[[nodiscard]] inline Status copy_fast_input(VirtualProcessor& vp, HypercallRegisters const& registers,
                                            std::size_t size, std::byte* to)
{
    std::memcpy(to, &registers.input, sizeof registers.input);
    std::memcpy(to + sizeof registers.input, &registers.output, sizeof registers.output);
    if (size <= abi::fast_input_bytes) return Status::Success;

    if (size > abi::xmm_input_bytes || !vp.partition().rights().has(Feature::XmmInput))
        return Status::InvalidHypercallInput;
    constexpr auto in_xmm = abi::xmm_input_bytes - abi::fast_input_bytes;
    std::span<std::byte, in_xmm> const xmm{to + abi::fast_input_bytes, in_xmm};
    return vp.control().read_xmm(xmm) ? Status::Success : Status::InvalidHypercallInput;
}

/// A call whose input goes on behind its header: rep calls (§4.2), and calls with a header of variable size (6.0b
/// §3.7.1). `header` receives a copy of the fixed part, for a tracer. Returns the hypercall result value.
[[nodiscard]] std::uint64_t perform_list_call(VirtualProcessor& vp, HypercallRegisters const& registers,
                                              CallInfo const& call, std::byte* header);

} // namespace hv
