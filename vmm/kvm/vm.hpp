/// One KVM virtual machine: memory slots, interrupt controllers, the filter that brings synthetic MSRs to user space.
#pragma once

#include "devices/pc/platform.hpp"
#include "devices/pc/port_io.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/interfaces.hpp"
#include "vmm/host/unique_fd.hpp"
#include "vmm/kvm/kvm_host.hpp"

#include <cstdint>

namespace vmm {

class Vm {
  public:
    /// Throws UserError or KvmError. `memory` outlives the VM. With `apic_msrs` the kernel answers Hyper-V's MSRs of
    /// the local APIC.
    Vm(KvmHost const& host, hv::GuestMemory const& memory, bool apic_msrs = false);

    [[nodiscard]] int fd() const { return fd_.get(); }

    /// Sends an edge-triggered fixed interrupt to one local APIC. Callable from any thread.
    void signal_msi(std::uint32_t apic_id, std::uint8_t vector) const;
    /// Sends any edge-triggered interrupt to the local APICs that it addresses. Callable from any thread.
    void signal_msi(hv::VirtualInterrupt const& interrupt) const;
    /// Drives a pin of the PIC and I/O APIC. Callable from any thread.
    void set_irq_line(devices::platform::Irq irq, bool asserted) const;

  private:
    void create_interrupt_controllers() const;
    void route_interrupts() const;
    void map_memory(hv::GuestMemory const& memory) const;
    void trap_synthetic_msrs(bool but_for_apic) const;

    UniqueFd fd_;
};

/// A device's wire to a pin.
class VmIrqLine final : public devices::IrqLine {
  public:
    VmIrqLine(Vm const& vm, devices::platform::Irq irq) : vm_{vm}, irq_{irq} {}

    void set(bool asserted) override { vm_.set_irq_line(irq_, asserted); }

  private:
    Vm const& vm_;
    devices::platform::Irq const irq_;
};

} // namespace vmm
