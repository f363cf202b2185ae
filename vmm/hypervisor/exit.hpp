/// Why a vCPU has left its guest.
#pragma once

#include "hv/abi/types.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

namespace vmm::exits {

/// Nothing to do: the vCPU was kicked, was told to leave at once, or has no reason that matters here.
struct Interrupted {};

/// One IN or OUT, or a string instruction's `count` of them: so many accesses of `size` bytes lie at `data`. What a
/// read brings is written there before the vCPU runs again.
struct PortAccess {
    std::byte* data;
    std::uint32_t count;
    std::uint16_t port;
    std::uint8_t size; ///< 1, 2 or 4
    bool is_write;
};

/// An access to a guest-physical address where no memory is mapped. What a read brings is written to `data` before
/// the vCPU runs again.
struct MmioAccess {
    hv::Gpa address;
    std::span<std::byte> data; ///< at most 8 bytes
    bool is_write;
};

/// RDMSR of an MSR that is trapped; Vcpu::finish_msr_read answers.
struct MsrRead {
    std::uint32_t index;
};

/// WRMSR, likewise; Vcpu::finish_msr_write answers.
struct MsrWrite {
    std::uint32_t index;
    std::uint64_t value;
};

/// A hypercall by an instruction of its own, which the hypervisor below took and does not answer itself.
/// Vcpu::finish_hypercall answers.
struct Hypercall {
    std::uint64_t control;
    std::uint64_t input;  ///< the address of the input, or a fast call's first word
    std::uint64_t output; ///< likewise
};

/// The EOI of an interrupt whose vector Vm::watch_eois was told. Nothing is to be done for the vCPU to go on.
struct InterruptEnded {
    std::uint8_t vector;
};

/// HLT, on a machine without local APICs.
struct Halted {};

struct TripleFault {};

/// The vCPU can run no further. Vcpu::failure says why.
struct Failed {};

} // namespace vmm::exits

namespace vmm {

using VmExit =
    std::variant<exits::PortAccess, exits::Interrupted, exits::MsrRead, exits::MsrWrite, exits::MmioAccess,
                 exits::Hypercall, exits::InterruptEnded, exits::Halted, exits::TripleFault, exits::Failed>;

} // namespace vmm
