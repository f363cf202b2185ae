/// What Porthole uses of KVM: one table, read by the start-up check and by `porthole doctor`.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace vmm {

struct Capability {
    int number;       ///< KVM_CAP_*
    char const* name; ///< its name in linux/kvm.h
    int mask;         ///< the bits of KVM_CHECK_EXTENSION's answer that must all be there; 0 when any will do
    bool required;
    char const* purpose; ///< what Porthole does with it, a few words
};

/// Linux Documentation/virt/kvm/api.rst.
[[nodiscard]] std::span<Capability const> used_capabilities();

/// The kernel's own Hyper-V emulation. Porthole needs none of it, and can leave TLB flushes to it; doctor says
/// whether it is there.
[[nodiscard]] std::span<Capability const> in_kernel_hyperv();

/// Whether `answer`, of KVM_CHECK_EXTENSION, means that the capability is there.
[[nodiscard]] constexpr bool is_present(Capability const& capability, int answer)
{
    return capability.mask == 0 ? answer > 0 : answer > 0 && (answer & capability.mask) == capability.mask;
}

/// One line for the user about required capabilities that are missing. `names` is not empty.
[[nodiscard]] std::string missing_capabilities_message(std::vector<std::string> const& names,
                                                       std::string const& kernel_release);

} // namespace vmm
