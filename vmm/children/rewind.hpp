/// A child's vCPU has stopped in the midst of an instruction: how it was before. A parent is to find it so (TLFS 2.0a
/// §9.1.1), and may have the instruction executed again.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "hv/child/intercept.hpp"
#include "vmm/hypervisor/vcpu.hpp"

#include <functional>

namespace vmm {

/// The vCPU after its exit. `memory` is what the child can read.
struct StoppedVcpu {
    Vcpu& vcpu;
    hv::GuestMemory const& memory;
};

/// Puts the vCPU back to before the IN or OUT that it has left for, which does nothing; what a parent has to know of
/// it. Where KVM has gone on behind the instruction, that is found by its bytes.
[[nodiscard]] hv::Intercept rewind_port_access(StoppedVcpu const& stopped, exits::PortAccess const& io);

/// The same of RDMSR or WRMSR.
[[nodiscard]] hv::Intercept rewind_msr_access(StoppedVcpu const& stopped, std::uint32_t msr, bool is_write);

/// The same of an access to memory that is not there. A read brings ones to whatever it writes, which the
/// instruction does over when it is executed again. Where a write is not found by its bytes (PUSHA, ENTER, the frame
/// of an interrupt), the vCPU stays behind it, and the length is 0.
[[nodiscard]] hv::Intercept rewind_memory_access(StoppedVcpu const& stopped, exits::MmioAccess const& mmio);

/// Of a vCPU that could not go on: whether that is because there is no memory at its instruction pointer.
[[nodiscard]] bool is_fetch_fault(StoppedVcpu const& stopped, std::function<bool(hv::Gpa)> const& is_mapped,
                                  hv::Intercept& intercept);

} // namespace vmm
