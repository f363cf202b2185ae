#include "vmm/machine/firmware_devices.hpp"

#include "vmm/firmware/fw_cfg_files.hpp"
#include "vmm/smbios/smbios.hpp"

#include <cstdint>
#include <utility>

namespace vmm {

namespace platform = devices::platform;

namespace {

constexpr char const* owner = "the firmware";

devices::Resources::Range resource(MemoryRange const& range)
{
    return {range.base.value, range.size};
}

} // namespace

FirmwareDevices::Window::Window(AddressSpace& space, firmware::Firmware const& firmware)
    : space_{space},
      range_{firmware.variables_range()},
      contents_{MemoryType::Rom, firmware.variables().bytes().data()},
      registers_{space.claim(range_, {MemoryType::Mmio}, owner)}
{
    open(true);
}

void FirmwareDevices::Window::open(bool yes)
{
    memory_ = yes ? space_.overlay(range_, contents_, owner) : AddressSpace::Claim{};
}

FirmwareDevices::FirmwareDevices(World const& world, std::shared_ptr<firmware::Firmware> firmware,
                                 MemoryLayout const& layout, unsigned cpus)
    : firmware_{std::move(firmware)},
      code_{world.memory->space().claim(firmware_->code_range(), {MemoryType::Rom, firmware_->code().data()}, owner)},
      window_{world.memory->space(), *firmware_},
      flash_{firmware_->variables(), window_},
      power_ports_{world.acpi_pm, world.events},
      boot_disks_{
          {world.mmio, world.ports}, world.memory->memory(), world.memory, world.disks, world.cards, world.console},
      fw_cfg_{{static_cast<std::uint16_t>(cpus), layout.bytes()}}
{
    namespace chipset = devices::firmware;
    world.resources.add({.owner = owner,
                         .ports = {chipset::power_management_ports, platform::fw_cfg},
                         .memory = {resource(firmware_->variables_range()), resource(firmware_->code_range())}});
    world.ports.map(chipset::power_management_ports, power_ports_, owner);
    world.ports.map(platform::fw_cfg, fw_cfg_, owner);
    world.pci.add(chipset::isa_bridge_slot, isa_bridge_);
    world.pci.add(chipset::power_management_slot, power_management_);
    world.pci.add(chipset::boot_disks_slot, boot_disks_.function());
    auto const range = firmware_->variables_range();
    world.mmio.map(range.base.value, range.size, flash_, owner);
    fw_cfg_.add_file(firmware::memory_map_file, firmware::memory_map(layout));
}

void FirmwareDevices::add_tables(AcpiTables acpi, std::vector<std::byte> smbios)
{
    fw_cfg_.add_file(firmware::table_loader_file, firmware::table_loader(acpi));
    fw_cfg_.add_file(firmware::acpi_tables_file, std::move(acpi.bytes));
    fw_cfg_.add_file(firmware::smbios_entry_file, smbios::entry_point(smbios.size(), hv::Gpa{0}));
    fw_cfg_.add_file(firmware::smbios_tables_file, std::move(smbios));
}

void FirmwareDevices::visit(hv::StateVisitor& visitor)
{
    {
        hv::VisitedNode const node{visitor, "flash"};
        flash_.visit(visitor);
    }
    {
        hv::VisitedNode const node{visitor, "boot_disks"};
        boot_disks_.visit(visitor);
    }
    hv::VisitedNode const node{visitor, "fw_cfg"};
    fw_cfg_.visit(visitor);
}

} // namespace vmm
