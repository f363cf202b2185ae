// The devices that a guest cannot find by itself. What is not named here is not looked for, so the list is short:
// no PCI root (there is only a configuration mechanism), no processors (the MADT has them), no keyboard controller.
// The numbers are those of devices/platform.hpp and vmm/memory_layout.hpp; acpi_test.cpp compares them.
DefinitionBlock ("", "DSDT", 2, "PORTHL", "PORTHOLE", 1)
{
    Name (_S5, Package () { 5, 5, 0, 0 })

    Scope (_SB)
    {
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x3F8, 0x3F8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }

        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x70, 0x70, 1, 2)
                IRQNoFlags () { 8 }
            })
        }

        // Motherboard resources: the ACPI fixed hardware, reset and PCI configuration, and the hypercall ports.
        Device (MBRD)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x600, 0x600, 1, 12)
                IO (Decode16, 0xCF8, 0xCF8, 1, 8)
                IO (Decode16, 0xE6, 0xE6, 1, 2)
            })
        }

        // As on Hyper-V, VMBus is the child of a module device (ACPI0004) that owns the MMIO space for its devices.
        // Linux (drivers/hv/vmbus_drv.c) takes address descriptors of any ancestor, and needs a _CRS in VMBus itself.
        Device (VMOD)
        {
            Name (_HID, "ACPI0004")
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, 0xF0000000, 0xF7FFFFFF, 0, 0x08000000)
            })

            Device (VMBS)
            {
                Name (_HID, "VMBus")
                Name (_UID, 0)
                Name (_CRS, Buffer () { 0x79, 0x00 }) // an end tag: no resources
            }
        }
    }
}
