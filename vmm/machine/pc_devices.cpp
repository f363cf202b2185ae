#include "vmm/machine/pc_devices.hpp"

#include "devices/pc/platform.hpp"

#include <stdexcept>
#include <string_view>
#include <utility>

namespace vmm {

namespace platform = devices::platform;

PcDevices::PcDevices(boost::asio::io_context& io, Vm& vm, MemoryLayout const& layout, devices::SerialSink& serial,
                     devices::PowerEvents& events, devices::PortBus& ports, Model model)
    : com1_irq_{vm, platform::com1_irq},
      sci_{vm, platform::acpi_sci},
      rtc_irq_{vm, platform::rtc_irq},
      pm_clock_{io, std::chrono::nanoseconds{0}},
      rtc_clock_{io, model.rtc == RtcTime::Local ? AsioClock::local() : AsioClock::utc()},
      com1_{serial, com1_irq_},
      acpi_pm_{pm_clock_, sci_, events},
      rtc_{rtc_clock_,
           rtc_irq_,
           {layout.low_end().value, layout.bytes() - layout.low_end().value},
           [this] { acpi_pm_.rtc_alarm(); }},
      pci_{model.host_bridge},
      reset_control_{events},
      keyboard_reset_{events, model.keyboard_status},
      system_control_{events}
{
    resources_.add({.owner = "VMBus", .memory = {{layout::vmbus_mmio.base.value, layout::vmbus_mmio.size}}});
    auto const map = [&](platform::PortRange range, devices::PortDevice& device) {
        if (resources_.owner_of_port(range.first).empty())
            throw std::logic_error{"a device answers a port that nobody has claimed"};
        ports.map(range.first, range.count, device);
    };
    map(platform::com1, com1_);
    map(platform::acpi_pm, acpi_pm_);
    map(platform::rtc, rtc_);
    map(platform::pci_config_address, pci_.address_port());
    map(platform::pci_config_data, pci_.data_port());
    map(platform::reset_control, reset_control_);
    map(platform::keyboard_command, keyboard_reset_);
    map(platform::system_control_a, system_control_);
}

void PcDevices::quiesce(hv::StillBusy busy)
{
    com1_.quiesce(busy);
    pm_clock_.quiesce(busy);
    rtc_clock_.quiesce(std::move(busy));
}

void PcDevices::resume()
{
    rtc_clock_.resume();
    pm_clock_.resume();
    com1_.resume();
}

void PcDevices::visit(hv::StateVisitor& visitor)
{
    auto const visit = [&](std::string_view name, auto& device) {
        hv::VisitedNode const node{visitor, name};
        device.visit(visitor);
    };
    visit("com1", com1_);
    visit("acpi_pm", acpi_pm_);
    visit("rtc", rtc_);
    visit("pci", pci_);
    visit("reset_control", reset_control_);
    visit("system_control", system_control_);
}

void PcDevices::detach()
{
    pm_clock_.detach();
    rtc_clock_.detach();
}

} // namespace vmm
