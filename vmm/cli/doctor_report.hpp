/// What `porthole doctor` found out, and how it says so.
#pragma once

#include "vmm/host/host_facts.hpp"
#include "vmm/kvm/kvm_host.hpp"

#include <string>
#include <vector>

namespace vmm {

struct DoctorReport {
    struct Finding {
        Capability const* capability;
        bool present;
    };

    HostFacts facts{};
    bool seccomp = true; ///< this kernel, or the container, lets a jail have filters of system calls
    int landlock = 0;    ///< the version of the kernel's landlock; 0 for none
    bool rings = true;   ///< io_uring can be restricted to what disks need
    bool opened = false; ///< /dev/kvm opened; without it only `facts` and `problem` mean something
    HostKind kind = HostKind::Software;
    unsigned max_vcpus = 0;
    std::vector<Finding> used{};   ///< of used_capabilities()
    std::vector<Finding> hyperv{}; ///< of in_kernel_hyperv()
    std::string problem{};         ///< one line: why no guest can run here, and what to do; empty when they can
};

/// Several lines. The last begins with "can run: " and is meant for scripts:
/// "can run: 64-bit Linux and test guests", "can run: test guests only (…)" or "can run: nothing (…)".
[[nodiscard]] std::string to_text(DoctorReport const& report);

} // namespace vmm
