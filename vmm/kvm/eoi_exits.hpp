#pragma once

#include <string>

namespace vmm {

/// KVM's modules, in this folder, say that the processor does not virtualise the local APIC, so that each EOI is an
/// exit.
[[nodiscard]] bool eoi_exits(std::string const& modules = "/sys/module");

} // namespace vmm
