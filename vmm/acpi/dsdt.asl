// What a guest cannot find by itself and no claim of a component tells: vmm/acpi/aml.cpp makes devices of those, and of
// processors, which stand before this in the table. What is named in neither is not looked for, so the lists are short:
// no PCI root (there is only a configuration mechanism), no keyboard controller.
// The numbers are those of devices/pc/platform.hpp and vmm/base/memory_layout.hpp; acpi_test.cpp compares them.
DefinitionBlock ("", "DSDT", 2, "PORTHL", "PORTHOLE", 1)
{
    Name (_S5, Package () { 5, 5, 0, 0 })

    Scope (_SB)
    {
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

            // The IDs are those of Hyper-V's generation 2. Windows takes the first, Linux and FreeBSD the second. It
            // can be disabled and enabled again, which is all that a device without resources can mean by that.
            Device (VMBS)
            {
                Name (_HID, "MSFT1000")
                Name (_CID, "VMBus")
                Name (_DDN, "VMBUS")
                Name (_UID, 0)
                Name (STAT, 0x0F)
                Method (_STA) { Return (STAT) }
                Method (_DIS) { STAT = 0x0D }
                Method (_PS0) { STAT = 0x0F }
                Method (_PS3) { }
                Name (_CRS, Buffer () { 0x79, 0x00 }) // an end tag: no resources
            }
        }

        // Where the generation ID is ("Virtual Machine Generation ID", Microsoft, 2012): the low half of the address,
        // and the high one.
        Device (GENC)
        {
            Name (_HID, "MSFT1002")
            Name (_CID, "VM_Gen_Counter")
            Name (_DDN, "VM_Gen_Counter")
            Name (_UID, 0)
            Name (ADDR, Package () { 0x000FE000, 0 })
        }
    }

    Scope (_GPE)
    {
        Method (_E00) { Notify (\_SB.GENC, 0x80) }
    }
}
