/// The devices that every guest has, wired to their ports and interrupt lines.
#pragma once

#include "devices/base/component.hpp"
#include "devices/pc/acpi_pm.hpp"
#include "devices/pc/pci_host.hpp"
#include "devices/pc/port_bus.hpp"
#include "devices/pc/power_events.hpp"
#include "devices/pc/reset_control.hpp"
#include "devices/pc/resources.hpp"
#include "devices/pc/rtc_cmos.hpp"
#include "devices/pc/serial_sink.hpp"
#include "devices/pc/uart16550.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/machine/asio_clock.hpp"
#include "vmm/machine/vm_irq_line.hpp"
#include "vmm/options/run_options.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>

namespace vmm {

class PcDevices final : public devices::Component {
  public:
    /// What differs between machines: those that start a kernel, and those that start by firmware.
    struct Model {
        std::uint32_t host_bridge = devices::PciHost::generic_bridge;
        std::uint8_t keyboard_status = devices::KeyboardReset::byte_waits;
        RtcTime rtc = RtcTime::Utc;
    };

    PcDevices(boost::asio::io_context& io, Vm& vm, MemoryLayout const& layout, devices::SerialSink& serial,
              devices::PowerEvents& events, devices::PortBus& ports, Model model);

    /// No handler on the io_context uses the devices any more. Called on it, or when it has stopped.
    void detach();

    /// No input comes, and no deadline; what reads a clock goes on.
    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    /// Of all of them. While they are at rest.
    void visit(hv::StateVisitor& visitor);

    /// The ACPI timer stands still, and goes on from there. The real-time clock does not: it tells the time of the
    /// world.
    void stop_time() { pm_clock_.stop(); }
    void resume_time() { pm_clock_.go_on(); }

    /// Of these devices; those of others join them.
    [[nodiscard]] devices::Resources& resources() { return resources_; }
    [[nodiscard]] devices::Uart16550& com1() { return com1_; }
    [[nodiscard]] devices::AcpiPm& acpi_pm() { return acpi_pm_; }
    [[nodiscard]] devices::PciHost& pci() { return pci_; }

  private:
    devices::Resources resources_ = devices::pc_resources();
    VmIrqLine com1_irq_;
    VmIrqLine sci_;
    VmIrqLine rtc_irq_;
    AsioClock pm_clock_;
    AsioClock rtc_clock_;
    devices::Uart16550 com1_;
    devices::AcpiPm acpi_pm_;
    devices::RtcCmos rtc_;
    devices::PciHost pci_;
    devices::ResetControlRegister reset_control_;
    devices::KeyboardReset keyboard_reset_;
    devices::SystemControlPortA system_control_;
};

} // namespace vmm
