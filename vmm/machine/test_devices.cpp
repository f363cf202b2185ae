#include "vmm/machine/test_devices.hpp"

#include "devices/pc/platform.hpp"

#include <utility>

namespace vmm {

namespace platform = devices::platform;

TestDevices::TestDevices(Config config, std::shared_ptr<hv::Partition> const& partition,
                         devices::Resources& resources, devices::PortBus& ports)
    : debug_exit_{std::move(config.debug_exit)},
      debug_console_{config.serial},
      synic_{partition},
      peer_{partition},
      pci_{platform::pci_test_function, config.pci.buses, config.pci.interrupts}
{
    config.pci.host.add(platform::pci_test_function, pci_.function());
    auto const map = [&](char const* owner, platform::PortRange range, devices::PortDevice& device) {
        resources.add({.owner = owner, .ports = {range}});
        ports.map(range, device, owner);
    };
    map("the debug exit", platform::debug_exit, debug_exit_);
    map("the debug console", platform::debug_console, debug_console_);
    if (config.machine) map("fw_cfg", platform::fw_cfg, fw_cfg_.emplace(*config.machine));
    map("the SynIC test device", platform::synic_test_device, synic_);
    map("the test peer", platform::test_peer, peer_);
}

} // namespace vmm
