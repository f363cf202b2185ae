// The driver that Porthole gives to a guest's UEFI firmware, in the ROM of the PCI function with the mailbox: it
// finds that function, makes a block device of each of the guest's disks and a network interface of each of its
// cards, sets the order to boot from them, and makes the guest's display, with its keyboard and pointer, a console.
// It is not needed any more when an operating system takes over, whose own drivers find all of that on VMBus; a
// screen goes on to be one without them.
#include "devices/efi/boot_order.hpp"
#include "devices/efi/disk.hpp"
#include "devices/efi/graphics.hpp"
#include "devices/efi/keyboard.hpp"
#include "devices/efi/network.hpp"
#include "devices/efi/pointer.hpp"

namespace {

namespace mailbox = devices::firmware::mailbox;

efi::PciIo* pci_io(efi::BootServices& boot, efi::Handle handle)
{
    void* found = nullptr;
    if (efi::failed(boot.handle_protocol(handle, &efi::PciIo::guid, &found))) return nullptr;
    return static_cast<efi::PciIo*>(found);
}

bool is_mailbox(efi::PciIo& pci)
{
    constexpr auto wanted = uint32_t{mailbox::device} << 16 | mailbox::vendor;
    uint32_t identity = 0;
    return !efi::failed(pci.read_config(&pci, efi::PciIo::Width::Dword, 0, 1, &identity)) && identity == wanted;
}

efi::PciIo* find_mailbox(efi::BootServices& boot)
{
    size_t count = 0;
    efi::Handle* handles = nullptr;
    if (efi::failed(boot.locate_handle_buffer(efi::Search::ByProtocol, &efi::PciIo::guid, nullptr, &count, &handles)))
        return nullptr;
    efi::PciIo* found = nullptr;
    for (size_t n = 0; n < count && !found; ++n) {
        auto* const pci = pci_io(boot, handles[n]);
        if (pci && is_mailbox(*pci)) found = pci;
    }
    (void)boot.free_pool(handles);
    return found;
}

/// Null when there is no such disk any more.
efi::Disk* add_disk(efi::BootServices& boot, efi::PciIo& pci, uint32_t unit)
{
    void* memory = nullptr;
    if (efi::failed(boot.allocate_pool(efi::MemoryType::BootServicesData, sizeof(efi::Disk), &memory)))
        return nullptr;
    auto& disk = *static_cast<efi::Disk*>(memory);
    efi::Handle handle = nullptr;
    if (efi::identify(disk, pci, unit) &&
        !efi::failed(boot.install_multiple_protocol_interfaces(&handle, &efi::device_path_guid, &disk.path,
                                                               &efi::BlockIo::guid, &disk.block_io, nullptr)))
        return &disk;
    (void)boot.free_pool(memory);
    return nullptr;
}

} // namespace

extern "C" efi::Status efi_main(efi::Handle, efi::SystemTable* system)
{
    auto& boot = *system->boot_services;
    auto* const pci = find_mailbox(boot);
    if (!pci) return efi::unsupported;
    auto const status =
        pci->attributes(pci, efi::PciIo::AttributeOperation::Enable, efi::PciIo::attribute_memory, nullptr);
    if (efi::failed(status)) return status;

    uint32_t units = 0;
    (void)pci->read_memory(pci, efi::PciIo::Width::Dword, 0, mailbox::units, 1, &units);
    efi::Bootable* devices = nullptr;
    for (uint32_t unit = 0; unit < units; ++unit) {
        auto* const disk = add_disk(boot, *pci, unit);
        if (!disk) continue;
        disk->bootable.next = devices;
        devices = &disk->bootable;
    }
    devices = efi::add_network_cards(boot, *pci, devices);
    efi::arrange_boot_order(*system->runtime_services, devices);
    efi::add_screen(boot, *pci);
    efi::add_keyboard(boot, *pci);
    efi::add_pointer(boot, *pci);
    return efi::success;
}

/// An image without relocations would not be started: this needs one.
extern "C" efi::Status (*const volatile needs_relocation)(efi::Handle, efi::SystemTable*);
efi::Status (*const volatile needs_relocation)(efi::Handle, efi::SystemTable*) = efi_main;
