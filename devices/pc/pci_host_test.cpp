#include "devices/pc/pci_host.hpp"
#include "devices/pc/platform.hpp"
#include "devices/pc/port_bus.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>

namespace {

struct Registers : devices::PciFunction {
    std::array<std::uint8_t, 256> bytes{};

    std::uint32_t config_read(std::uint8_t offset, unsigned size) override
    {
        std::uint32_t value = 0;
        for (unsigned i = 0; i < size; ++i)
            value |= std::uint32_t{bytes.at(offset + i)} << (8 * i);
        return value;
    }

    void config_write(std::uint8_t offset, unsigned size, std::uint32_t value) override
    {
        for (unsigned i = 0; i < size; ++i)
            bytes.at(offset + i) = static_cast<std::uint8_t>(value >> (8 * i));
    }
    void visit(hv::StateVisitor&) override {}
};

struct Machine {
    devices::PciHost host;
    devices::PortBus bus;

    Machine()
    {
        using namespace devices::platform;
        bus.map(pci_config_address, host.address_port());
        bus.map(pci_config_data, host.data_port());
    }

    void select(unsigned device, unsigned function, unsigned reg, unsigned pci_bus = 0)
    {
        bus.write(0xCF8, 4, 0x8000'0000 | pci_bus << 16 | device << 11 | function << 8 | reg);
    }
};

} // namespace

TEST_CASE("Linux finds configuration mechanism 1 and a host bridge", "[pci]")
{
    Machine m;
    m.bus.write(0xCFB, 1, 0x01); // the mode switch of mechanism 2
    auto const before = m.bus.read(0xCF8, 4);
    m.bus.write(0xCF8, 4, 0x8000'0000);
    CHECK(m.bus.read(0xCF8, 4) == 0x8000'0000);

    m.select(0, 0, 0x08);
    CHECK(m.bus.read(0xCFE, 2) == 0x0600);
    CHECK(m.bus.read(0xCFC, 4) == 0x0600'0000);
    m.select(0, 0, 0x0C);
    CHECK(m.bus.read(0xCFE, 1) == 0x00); // one function, an ordinary header
    m.bus.write(0xCF8, 4, before);
    CHECK(m.bus.read(0xCF8, 4) == before);
}

TEST_CASE("the host bridge has an identity and cannot be changed", "[pci]")
{
    Machine m;
    m.select(0, 0, 0);
    CHECK(m.bus.read(0xCFC, 4) == 0x0008'1B36);
    CHECK(m.bus.read(0xCFC, 2) == 0x1B36);
    CHECK(m.bus.read(0xCFE, 2) == 0x0008);
    CHECK(m.bus.read(0xCFF, 1) == 0x00);
    m.select(0, 0, 0x10);
    m.bus.write(0xCFC, 4, 0xFFFF'FFFF);
    CHECK(m.bus.read(0xCFC, 4) == 0); // no BAR
}

TEST_CASE("slots without a device, other buses and a closed window read as all ones", "[pci]")
{
    Machine m;
    m.select(1, 0, 0);
    CHECK(m.bus.read(0xCFC, 4) == 0xFFFF'FFFF);
    m.select(0, 1, 0);
    CHECK(m.bus.read(0xCFC, 2) == 0xFFFF);
    m.select(0, 0, 0, 1);
    CHECK(m.bus.read(0xCFC, 1) == 0xFF);
    m.bus.write(0xCF8, 4, 0);
    CHECK(m.bus.read(0xCFC, 4) == 0xFFFF'FFFF);
}

TEST_CASE("CONFIG_ADDRESS takes dwords only, and keeps reserved bits zero", "[pci]")
{
    Machine m;
    m.bus.write(0xCF8, 4, 0xFFFF'FFFF);
    CHECK(m.bus.read(0xCF8, 4) == 0x80FF'FFFC);
    m.bus.write(0xCF8, 2, 0);
    m.bus.write(0xCF8, 1, 0);
    CHECK(m.bus.read(0xCF8, 4) == 0x80FF'FFFC);
    CHECK(m.bus.read(0xCF8, 1) == 0xFFFF'FFFF);
}

TEST_CASE("a function sees offset and size, and never an access that leaves the dword", "[pci]")
{
    Machine m;
    Registers registers;
    m.host.add({31, 7}, registers);
    m.select(31, 7, 0x40);
    m.bus.write(0xCFC, 4, 0x4433'2211);
    CHECK(m.bus.read(0xCFD, 1) == 0x22);
    m.bus.write(0xCFE, 2, 0xFFFF'BBAA);
    CHECK(m.bus.read(0xCFC, 4) == 0xBBAA'2211);
    m.bus.write(0xCFD, 4, 0);
    m.bus.write(0xCFF, 2, 0);
    CHECK(m.bus.read(0xCFC, 4) == 0xBBAA'2211);
    CHECK(m.bus.read(0xCFF, 2) == 0xFFFF);

    m.select(31, 7, 0xFC);
    m.bus.write(0xCFF, 1, 0x77);
    CHECK(registers.bytes[0xFF] == 0x77);
}

TEST_CASE("a slot is given away once", "[pci]")
{
    Machine m;
    Registers registers;
    CHECK_THROWS_AS(m.host.add({0, 0}, registers), std::logic_error);
    CHECK_THROWS_AS(m.host.add({32, 0}, registers), std::logic_error);
    CHECK_THROWS_AS(m.host.add({1, 8}, registers), std::logic_error);
    CHECK_NOTHROW(m.host.add({1, 0}, registers));
}

TEST_CASE("no sequence of accesses confuses the PCI host", "[pci][hammer]")
{
    Machine m;
    Registers registers; // at() throws when an access goes astray
    m.host.add({2, 0}, registers);
    std::mt19937 random{3};
    devices::testing::hammer(m.host.data_port(), 4, [&] {
        m.bus.write(0xCF8, 4, static_cast<std::uint32_t>(random()));
        if (random() % 2 == 0) m.select(2, 0, random() % 256);
    });
    devices::testing::hammer(m.host.address_port(), 4, [] {});
    m.select(0, 0, 0);
    CHECK(m.bus.read(0xCFC, 4) == 0x0008'1B36);
}
