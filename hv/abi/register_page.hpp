/// The register page of a VP (HvCallMapVpStatePage), which no text has: from Linux, include/hyperv/hvhdk.h
/// (hv_vp_register_page). Its interrupt vectors are for HvCallDispatchVp only, and are left out.
#pragma once

#include "hv/abi/register_name.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// Which registers a parent has changed in the page.
namespace register_class {
inline constexpr std::uint32_t general = 1 << 0;
inline constexpr std::uint32_t rip = 1 << 1;
inline constexpr std::uint32_t xmm = 1 << 2;
inline constexpr std::uint32_t segments = 1 << 3;
inline constexpr std::uint32_t rflags = 1 << 4;
} // namespace register_class

struct RegisterPage {
    static constexpr std::uint16_t current_version = 1;

    std::uint16_t version;
    std::uint8_t is_valid; ///< otherwise it holds no registers
    std::uint8_t reserved0;
    std::uint32_t dirty; ///< of register_class
    std::array<std::uint64_t, 16> general;
    std::uint64_t rip;
    std::uint64_t rflags;
    std::uint64_t reserved1;
    std::array<RegisterValue, 6> xmm;
    std::array<RegisterValue, 6> segments; ///< ES, CS, SS, DS, FS, GS

    // For reading only.

    std::uint64_t cr0;
    std::uint64_t cr3;
    std::uint64_t cr4;
    std::uint64_t cr8;
    std::uint64_t efer;
    std::uint64_t dr7;
    std::uint64_t pending_interruption;
    std::uint64_t interrupt_state;
    std::uint64_t emulation_hints;
    std::uint64_t xfem;
};
static_assert(offsetof(RegisterPage, rip) == 136 && offsetof(RegisterPage, xmm) == 160);
static_assert(offsetof(RegisterPage, segments) == 256 && offsetof(RegisterPage, cr0) == 352);
static_assert(sizeof(RegisterPage) == 432);

} // namespace hv::abi
