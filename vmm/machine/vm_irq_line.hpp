#pragma once

#include "devices/pc/platform.hpp"
#include "devices/pc/port_io.hpp"
#include "vmm/hypervisor/vm.hpp"

namespace vmm {

/// A device's wire to a pin of the interrupt controllers.
class VmIrqLine final : public devices::IrqLine {
  public:
    VmIrqLine(Vm& vm, devices::platform::Irq irq) : vm_{vm}, irq_{irq} {}

    void set(bool asserted) override { vm_.set_irq_line(irq_.gsi, asserted); }

  private:
    Vm& vm_;
    devices::platform::Irq const irq_;
};

} // namespace vmm
