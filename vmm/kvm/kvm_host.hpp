/// The host's KVM: opened and checked once, with errors that say what to do.
#pragma once

#include "vmm/host/host_facts.hpp"
#include "vmm/host/unique_fd.hpp"
#include "vmm/kvm/kvm_capability.hpp"

#include <string>
#include <vector>

namespace vmm {

class KvmHost {
  public:
    /// Opens the device and checks the API version and every required capability. Throws UserError.
    [[nodiscard]] static KvmHost open(std::string const& device = "/dev/kvm");

    /// Opens the device and checks only the API version, for those who want to see what is missing. Throws UserError.
    [[nodiscard]] static KvmHost open_unchecked(std::string const& device = "/dev/kvm");

    [[nodiscard]] int fd() const { return fd_.get(); }

    /// KVM_CHECK_EXTENSION's answer; 0 when the capability is not there.
    [[nodiscard]] int value(int capability) const;
    [[nodiscard]] bool has(int capability) const { return value(capability) > 0; }
    [[nodiscard]] bool has(Capability const& capability) const;

    /// The names of the required capabilities that are not there.
    [[nodiscard]] std::vector<std::string> missing() const;

    [[nodiscard]] HostKind kind() const { return kind_; }

    /// The most vCPUs that a guest may have here.
    [[nodiscard]] unsigned max_vcpus() const;

    /// The size in bytes of the region that is mapped on a vCPU's descriptor. Throws UserError.
    [[nodiscard]] std::size_t run_page_size() const;

    /// A new virtual machine. Throws UserError, also when another hypervisor holds the processor.
    [[nodiscard]] UniqueFd create_vm() const;

  private:
    KvmHost(UniqueFd fd, HostKind kind) : fd_{std::move(fd)}, kind_{kind} {}

    UniqueFd fd_;
    HostKind kind_;
};

} // namespace vmm
