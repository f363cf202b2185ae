/// From the registers of a hypercall to its handler and back (TLFS 2.0a chapter 4). What the calls do is not known
/// here.
#pragma once

#include "hv/abi/hypercall.hpp"
#include "hv/hypercall/caller.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <cstdint>
#include <span>

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

/// How far a rep call came: the status, and how many elements were done before it.
struct Progress {
    Status status;
    std::size_t done;
};

/// A call as the table knows it.
struct CallInfo {
    enum class Kind : std::uint8_t {
        Simple,
        Rep,            ///< a list of elements behind the header, each an operation of its own (TLFS 2.0a §4.2)
        VariableHeader, ///< more words behind the header (6.0b §3.7.1)
    };

    using Handler = Status (*)(Caller const& caller, std::byte const* input, std::byte* output);
    using ListHandler = Progress (*)(Caller const& caller, std::byte const* header, std::byte const* elements,
                                     std::size_t count, std::byte* output);

    abi::CallCode code;
    char const* name;
    std::uint16_t input_size;  ///< bytes; the header's, where a list follows
    std::uint16_t output_size; ///< bytes
    Handler handler;           ///< of a simple call
    Kind kind = Kind::Simple;
    std::uint16_t input_element = 0;  ///< bytes
    std::uint16_t output_element = 0; ///< bytes
    ListHandler list_handler = nullptr;
};

/// Every call that Porthole answers, for the coverage page and its test.
[[nodiscard]] std::span<CallInfo const> call_table();

/// nullptr for a code that Porthole does not know.
[[nodiscard]] CallInfo const* find_call(std::uint16_t code);

} // namespace hv
