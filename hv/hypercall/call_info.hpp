/// What is known of a hypercall: its definition, from which dispatch, traces, the coverage page's check and the fuzz
/// targets follow.
#pragma once

#include "hv/abi/hypercall.hpp"
#include "hv/cpuid/privileges.hpp"
#include "hv/hypercall/field.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace hv {

struct Caller;

/// How far a rep call came: the status, and how many elements were done before it.
struct Progress {
    Status status;
    std::size_t done;
};

/// How many elements a rep call is about that has a list of neither input nor output.
struct RepCount {
    std::size_t value;
};

/// Who may make a call. `Caller` decides by it.
struct Access {
    /// What the call may act upon.
    enum class Upon : std::uint8_t {
        Itself,            ///< the caller; the call names no partition
        SelfOrChild,       ///< the caller or its child, with the privilege
        Child,             ///< a child of the caller's, with the privilege
        SelfFreelyOrChild, ///< the caller; or its child, with the privilege
    };

    Upon upon = Upon::Itself;
    std::optional<Privilege> privilege{}; ///< none: every partition may
};

struct CallInfo {
    enum class Kind : std::uint8_t {
        Simple,
        Rep,            ///< a list of elements behind the header, each an operation of its own (TLFS 2.0a §4.2)
        VariableHeader, ///< more words behind the header (6.0b §3.7.1)
    };

    using Handler = Status (*)(Caller const& caller, std::byte const* input, std::byte* output);
    using ListHandler = Progress (*)(Caller const& caller, std::byte const* header, std::byte const* elements,
                                     std::size_t count, std::byte* output);
    static constexpr std::size_t most_fields = 4;

    // What its definition says.
    abi::CallCode code;
    char const* name;    ///< as the section spells it
    char const* section; ///< of the TLFS
    Access access;
    std::array<Field, most_fields> fields{}; ///< of the input that tell one call from another; the rest is empty

    // What follows from the types of its handler. Sizes are bytes.
    Kind kind = Kind::Simple;
    std::uint16_t input_size = 0;  ///< the header's, where a list follows
    std::uint16_t output_size = 0; ///< of a simple call, or one with a header of variable size
    std::uint16_t input_element = 0;
    std::uint16_t output_element = 0;
    Handler handler = nullptr;          ///< of a simple call
    ListHandler list_handler = nullptr; ///< of the others
};

/// Every call that Porthole answers.
[[nodiscard]] std::span<CallInfo const> call_table();

/// nullptr for a code that Porthole does not know.
[[nodiscard]] CallInfo const* find_call(std::uint16_t code);

} // namespace hv
