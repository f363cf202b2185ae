/// The hypervisor below: what virtualises the processor for Porthole.
#pragma once

#include "vmm/hypervisor/error.hpp"
#include "vmm/hypervisor/registers.hpp"
#include "vmm/hypervisor/vm.hpp"

#include <memory>
#include <vector>

namespace vmm {

/// What it can do of a guest's Hyper-V by itself.
struct AccelerationOffer {
    bool calls = false;     ///< it answers some hypercalls
    bool timers = false;    ///< it runs direct timers
    bool eoi_exits = false; ///< an EOI costs an exit here, unless the guest uses Hyper-V's MSRs for it
};

/// What a virtual machine has of them below; all else is whose it is that runs it.
enum class InterruptControllers {
    Pc,         ///< local APICs, I/O APIC and PICs, and the interval timer
    LocalApics, ///< which take messages alone
    None,       ///< a vCPU that halts leaves the guest
};

struct VmConfig {
    bool calls = false;            ///< it answers some hypercalls; `calls` was in its AccelerationOffer
    bool timers = false;           ///< it runs direct timers, where it can
    bool apic_msrs = false;        ///< Hyper-V's MSRs of the local APIC are answered below, and are no exits
    bool unknown_msrs = false;     ///< accesses to MSRs that it does not have are exits, too, instead of #GP
    bool staged_registers = false; ///< Vcpu::set_register passes through states that no processor can be in
    InterruptControllers controllers = InterruptControllers::Pc;
};

/// Outlives all that it makes. From any thread.
class Hypervisor {
  public:
    Hypervisor() = default;
    Hypervisor(Hypervisor const&) = delete;
    Hypervisor& operator=(Hypervisor const&) = delete;
    virtual ~Hypervisor() = default;

    /// With exits for all synthetic MSRs. Throws UserError or HypervisorError.
    [[nodiscard]] virtual std::unique_ptr<Vm> create_vm(VmConfig const& config) const = 0;

    /// The most vCPUs that a guest may have here.
    [[nodiscard]] virtual unsigned max_vcpus() const = 0;
    /// What it can show guests. Throws HypervisorError.
    [[nodiscard]] virtual std::vector<CpuidEntry> supported_cpuid() const = 0;
    [[nodiscard]] virtual AccelerationOffer acceleration() const = 0;
};

} // namespace vmm
