#include "devices/firmware/piix4.hpp"
#include "devices/pc/pci_host.hpp"
#include "hv/testing/catch.hpp"

#include <vector>

using namespace devices;

namespace {

struct Recorded final : PortDevice {
    std::vector<std::uint32_t> written;

    std::uint32_t read(std::uint16_t offset, unsigned size) override { return offset * 0x100U + size; }
    void write(std::uint16_t, unsigned, std::uint32_t value) override { written.push_back(value); }
};

struct Events final : PowerEvents {
    unsigned offs = 0;

    void power_off() override { ++offs; }
    void reset() override {}
};

std::uint32_t config(PciHost& host, unsigned device, unsigned function, unsigned offset)
{
    host.address_port().write(0, 4, 0x8000'0000 | device << 11 | function << 8 | offset);
    return host.data_port().read(0, 4);
}

} // namespace

// edk2 OvmfPkg/PlatformPei/Platform.c: by these it knows the machine and leaves the power management where it is.
TEST_CASE("OVMF finds Intel's 440FX and PIIX4", "[piix4]")
{
    PciHost host{firmware::host_bridge_440fx};
    firmware::IsaBridge isa;
    firmware::PowerManagementFunction power;
    host.add(firmware::isa_bridge_slot, isa);
    host.add(firmware::power_management_slot, power);
    CHECK(config(host, 0, 0, 0x00) == 0x1237'8086);
    CHECK(config(host, 1, 0, 0x00) == 0x7000'8086);
    CHECK((config(host, 1, 0, 0x04) & 3) == 3);
    CHECK(config(host, 1, 0, 0x08) == 0x0601'0000);
    CHECK((config(host, 1, 0, 0x0C) & 0x0080'0000) != 0);
    CHECK(config(host, 1, 3, 0x00) == 0x7113'8086);
    CHECK(config(host, 1, 3, 0x40) == 0x601);
    CHECK((config(host, 1, 3, 0x80) & 1) == 1);
}

// edk2 OvmfPkg/Library/ResetSystemLib/BaseResetShutdown.c.
TEST_CASE("the firmware switches off where PIIX4's power management is by default", "[piix4]")
{
    Recorded registers;
    Events events;
    firmware::PowerManagementPorts ports{registers, events};
    CHECK(ports.read(8, 4) == 0x804);
    ports.write(4, 2, 0x0001);
    ports.write(4, 2, 0x3401); // another sleep type: the registers' own business
    ports.write(0, 2, 0x2000); // another register
    CHECK(events.offs == 0);
    ports.write(4, 2, 0x2001);
    CHECK(events.offs == 1);
    CHECK(registers.written == std::vector<std::uint32_t>{0x0001, 0x3401, 0x2000, 0x2001});
}
