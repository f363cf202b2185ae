/// Registers of an x86 processor as the hypervisor below hands them out, whichever it is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vmm {

struct Registers {
    std::uint64_t rax, rbx, rcx, rdx;
    std::uint64_t rsi, rdi, rsp, rbp;
    std::uint64_t r8, r9, r10, r11;
    std::uint64_t r12, r13, r14, r15;
    std::uint64_t rip, rflags;
};

namespace rflags {
inline constexpr std::uint64_t always_one = 1U << 1;
inline constexpr std::uint64_t interrupts_enabled = 1U << 9;
} // namespace rflags

/// A segment register with what a descriptor says (Intel SDM vol. 3 §3.4.5).
struct Segment {
    std::uint64_t base = 0;
    std::uint32_t limit = 0; ///< in bytes, whatever the granularity
    std::uint16_t selector = 0;
    std::uint8_t type = 0;      ///< four bits
    std::uint8_t privilege = 0; ///< DPL
    bool present = false;
    bool code_or_data = false;  ///< S; clear for a system segment
    bool long_mode = false;     ///< L
    bool default_32bit = false; ///< D/B
    bool page_granular = false; ///< G
    bool available = false;     ///< AVL
    bool unusable = false;      ///< Intel SDM vol. 3 §25.4.1

    friend bool operator==(Segment const&, Segment const&) = default;
};

struct DescriptorTable {
    std::uint64_t base = 0;
    std::uint16_t limit = 0;

    friend bool operator==(DescriptorTable const&, DescriptorTable const&) = default;
};

struct SystemRegisters {
    Segment cs, ds, es, fs, gs, ss, tr, ldt;
    DescriptorTable gdt, idt;
    std::uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0;
    std::uint64_t efer = 0;
    std::uint64_t apic_base = 0;

    friend bool operator==(SystemRegisters const&, SystemRegisters const&) = default;
};

/// The registers of a local APIC, as they lie in its page (Intel SDM vol. 3 §11.4.1).
struct LocalApicPage {
    std::array<std::byte, 1024> bytes{};
};

/// One leaf of CPUID, or one subleaf where the index counts.
struct CpuidEntry {
    std::uint32_t function = 0;
    std::uint32_t index = 0;
    bool has_index = false; ///< ECX chooses among several
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

} // namespace vmm
