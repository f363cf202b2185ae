/// KVM as the hypervisor below.
#pragma once

#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/kvm/kvm_host.hpp"

namespace vmm {

class KvmHypervisor final : public Hypervisor {
  public:
    /// Opens /dev/kvm and checks what it has. Throws UserError.
    KvmHypervisor() : host_{KvmHost::open()} {}

    [[nodiscard]] std::unique_ptr<Vm> create_vm(VmConfig const& config) const override;
    [[nodiscard]] unsigned max_vcpus() const override { return host_.max_vcpus(); }
    [[nodiscard]] std::vector<CpuidEntry> supported_cpuid() const override;
    [[nodiscard]] AccelerationOffer acceleration() const override;

  private:
    KvmHost const host_;
};

} // namespace vmm
