/// What has to be known of an instruction at which a child has stopped: how long it is, which memory it touches, and
/// which registers it moves by itself. Decoded by Zydis.
#pragma once

#include "vmm/hypervisor/registers.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace vmm {

struct Instruction {
    static constexpr std::size_t longest = 15; ///< bytes (Intel SDM vol. 2 §2.3.11)

    struct Memory {
        std::uint64_t linear; ///< address
        std::uint16_t size;   ///< bytes
        bool is_read;
        bool is_written;
    };

    std::uint8_t length = 0;
    bool accesses_port = false;
    bool is_string = false;
    bool is_repeated = false;  ///< with a REP prefix, and a string instruction
    bool moves_source = false; ///< RSI, by what a string instruction moves at a time
    bool moves_destination = false;
    bool uses_vectors = false; ///< registers of SSE and AVX
    std::uint8_t element = 0;  ///< bytes that a string instruction moves at a time
    std::uint8_t pushes = 0;   ///< bytes that it writes below RSP, to which it moves that
    bool is_call = false;
    std::optional<std::uint64_t> target{}; ///< RIP after a direct CALL
    std::array<Memory, 2> memory{};
    std::uint8_t memory_count = 0;

    [[nodiscard]] std::span<Memory const> accesses() const { return std::span{memory}.first(memory_count); }
};

/// Loads the library. Throws std::runtime_error with one line that says what to do. Before the process is confined.
void load_instruction_decoder();

/// The first instruction in `bytes`, in the mode that `system` says. Its addresses follow from `before`, the
/// registers as they are before it. No value when it is none, or not all of it is there.
[[nodiscard]] std::optional<Instruction> decode(std::span<std::byte const> bytes, Registers const& before,
                                                SystemRegisters const& system);

} // namespace vmm
