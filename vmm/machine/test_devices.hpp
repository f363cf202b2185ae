/// What --test-devices adds: the devices that test kernels expect.
#pragma once

#include "devices/pc/fw_cfg.hpp"
#include "devices/pc/port_bus.hpp"
#include "devices/pc/resources.hpp"
#include "devices/pc/serial_sink.hpp"
#include "devices/test_devices/debug_console.hpp"
#include "devices/test_devices/debug_exit.hpp"
#include "devices/test_devices/pci_test_function.hpp"
#include "devices/test_devices/synic_test_device.hpp"
#include "devices/test_devices/test_peer.hpp"
#include "hv/partition/partition.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace vmm {

class TestDevices {
  public:
    struct Pci {
        devices::PciHost& host;
        devices::PciBuses buses;
        devices::MsiSink& interrupts;
    };
    struct Config {
        std::optional<devices::FwCfg::Machine> machine{}; ///< for fw_cfg; not given where a firmware has one already
        devices::SerialSink& serial;                      ///< the debug console's output goes where COM1's goes
        std::function<void(std::uint32_t)> debug_exit;    ///< with the exit status asked for
        Pci pci;
    };

    /// All of it outlives this object, but for `config` itself. Claims its ports; throws like Resources::add.
    TestDevices(Config config, std::shared_ptr<hv::Partition> const& partition, devices::Resources& resources,
                devices::PortBus& ports);

  private:
    devices::DebugExit debug_exit_;
    devices::DebugConsole debug_console_;
    std::optional<devices::FwCfg> fw_cfg_;
    devices::SynicTestDevice synic_;
    devices::TestPeer peer_;
    devices::PciTestFunction pci_;
};

} // namespace vmm
