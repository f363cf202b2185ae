/// What a guest that starts by firmware has beside the devices of every guest.
#pragma once

#include "devices/firmware/boot_disks.hpp"
#include "devices/firmware/flash.hpp"
#include "devices/firmware/piix4.hpp"
#include "devices/pc/fw_cfg.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "devices/pc/pci_host.hpp"
#include "devices/pc/port_bus.hpp"
#include "devices/pc/power_events.hpp"
#include "devices/pc/resources.hpp"
#include "hv/base/state.hpp"
#include "vmm/acpi/acpi.hpp"
#include "vmm/firmware/firmware.hpp"
#include "vmm/memory/address_space.hpp"
#include "vmm/memory/pc_memory.hpp"

#include <memory>
#include <vector>

namespace vmm {

class FirmwareDevices {
  public:
    struct World {
        std::shared_ptr<PcMemory> memory;
        devices::MmioBus& mmio;
        devices::PortBus& ports;
        devices::PciHost& pci;
        devices::PortDevice& acpi_pm;
        devices::PowerEvents& events;
        devices::Resources& resources;
        std::vector<devices::firmware::BootUnit> disks;             ///< that the firmware is to see
        std::vector<devices::firmware::BootCard> cards;             ///< likewise
        std::shared_ptr<devices::firmware::ConsoleMailbox> console; ///< nullptr for a guest without a display
    };

    /// All of `world` outlives it. Claims its addresses; throws like AddressSpace::claim and Resources::add.
    FirmwareDevices(World const& world, std::shared_ptr<firmware::Firmware> firmware, MemoryLayout const& layout,
                    unsigned cpus);

    /// The tables that the firmware is to install. Before the guest starts.
    void add_tables(AcpiTables acpi, std::vector<std::byte> smbios);

    void visit(hv::StateVisitor& visitor);

  private:
    /// The variables as ROM, or as registers: what the guest writes comes to the chip in any case.
    class Window final : public devices::firmware::FlashWindow {
      public:
        Window(AddressSpace& space, firmware::Firmware const& firmware);
        void open(bool yes) override;

      private:
        AddressSpace& space_;
        MemoryRange const range_;
        MemoryContents const contents_;
        AddressSpace::Claim registers_;
        AddressSpace::Claim memory_;
    };

    std::shared_ptr<firmware::Firmware> const firmware_;
    AddressSpace::Claim code_;
    Window window_;
    devices::firmware::Flash flash_;
    devices::firmware::IsaBridge isa_bridge_;
    devices::firmware::PowerManagementFunction power_management_;
    devices::firmware::PowerManagementPorts power_ports_;
    devices::firmware::BootDisks boot_disks_;
    devices::FwCfg fw_cfg_;
};

} // namespace vmm
