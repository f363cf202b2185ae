/// What can be said about the host's virtualisation without opening /dev/kvm.
#pragma once

#include <string>
#include <string_view>
#include <sys/stat.h>

namespace vmm {

/// What stands behind /dev/kvm.
enum class HostKind {
    Hardware, ///< VT-x or AMD-V: runs 64-bit Linux
    Software, ///< KVM-PVM and its like: runs guests in an instruction emulator, small test guests only
};

struct HostFacts {
    bool vmx = false;        ///< Intel VT-x in the processor flags
    bool svm = false;        ///< AMD-V in the processor flags
    bool kvm_intel = false;  ///< /sys/module/kvm_intel
    bool kvm_amd = false;    ///< /sys/module/kvm_amd
    bool kvm_pvm = false;    ///< /sys/module/kvm_pvm, a KVM in software
    std::string cpu_model{}; ///< as /proc/cpuinfo has it; may be empty
    std::string kernel{};    ///< the kernel's release
};

/// Reads /proc/cpuinfo and /sys/module. What cannot be read counts as not there.
[[nodiscard]] HostFacts host_facts();

/// Fills in vmx, svm and cpu_model from the text of /proc/cpuinfo.
void parse_cpuinfo(std::string_view text, HostFacts& facts);

[[nodiscard]] HostKind host_kind(HostFacts const& facts);

/// One line for the user: why `device` did not open, by its errno, and what mends it.
[[nodiscard]] std::string open_failure(std::string const& device, int error, HostFacts const& facts);

/// The command that gives the calling user access to `device`, by its owner group and mode.
[[nodiscard]] std::string access_command(std::string const& device, std::string const& group, ::mode_t mode);

} // namespace vmm
