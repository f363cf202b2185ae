/// Why a guest died, and what its processor looked like, as one block for the user to read.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "hv/base/interfaces.hpp"
#include "vmm/hypervisor/registers.hpp"

#include <optional>
#include <string>

namespace vmm {

struct DeathReport {
    unsigned vp;
    std::string reason; ///< in plain words, without a full stop
    bool triple_fault;
    Registers regs;
    std::optional<SystemRegisters> sregs;
};

/// `who` is what to call the guest: "the guest", "guest 'server'".
[[nodiscard]] std::string describe(std::string const& who, DeathReport const& report);

/// What a guest said through the crash MSRs (TLFS 6.0b §4.3). A text that it left in memory is shown with everything
/// unprintable replaced.
[[nodiscard]] std::string describe(std::string const& who, hv::CrashReport const& report,
                                   hv::GuestMemory const& memory);

} // namespace vmm
