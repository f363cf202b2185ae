/// Why a child's VP has stopped, as its machine knows it. The parent is told by a message (TLFS 2.0a §9, chapter 16).
#pragma once

#include "hv/abi/intercept.hpp"
#include "hv/abi/types.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace hv {

/// The VP is as it was before the instruction, so that this can be executed again.
struct Intercept {
    enum class Kind : std::uint8_t { PortAccess, MemoryAccess, MsrAccess, Halt, UnrecoverableException };

    Kind kind;
    std::uint8_t access = 0;             ///< of abi::intercept_access, in a message
    std::uint8_t instruction_length = 0; ///< bytes; 0: not known
    std::uint8_t byte_count = 0;
    std::array<std::uint8_t, abi::intercept_bytes> bytes{}; ///< of the instruction, and behind it

    // PortAccess.
    std::uint16_t port = 0;
    std::uint8_t size = 0; ///< 1, 2 or 4
    bool is_string = false;
    bool is_repeated = false;

    std::uint32_t msr = 0; ///< of MsrAccess; what a write brings is in the VP's registers

    // MemoryAccess.
    Gpa gpa{};
    std::optional<std::uint64_t> gva{};
};

} // namespace hv
