#pragma once

#include "devices/pc/msi.hpp"
#include "vmm/hypervisor/vm.hpp"

namespace vmm {

/// Where PCI functions send their interrupts.
class VmMsiSink final : public devices::MsiSink {
  public:
    explicit VmMsiSink(Vm& vm) : vm_{vm} {}

    void send(devices::MsiMessage const& message) override { vm_.write_msi(message.address, message.data); }

  private:
    Vm& vm_;
};

} // namespace vmm
