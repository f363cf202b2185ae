#include "devices/pc/port_bus.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>
#include <string>

namespace {

struct Latch : devices::PortDevice {
    std::uint32_t value = 0;
    std::uint16_t last_offset = 0;

    std::uint32_t read(std::uint16_t offset, unsigned) override { return value + offset; }
    void write(std::uint16_t offset, unsigned, std::uint32_t v) override
    {
        last_offset = offset;
        value = v;
    }
};

} // namespace

TEST_CASE("a port reaches the device that claims it, by its offset", "[ports]")
{
    Latch latch;
    devices::PortBus bus;
    bus.map(0x3F8, 8, latch);

    bus.write(0x3FF, 1, 7);
    CHECK(latch.last_offset == 7);
    CHECK(bus.read(0x3F9, 1) == 8);
}

TEST_CASE("a port that nobody claims reads as all ones and swallows writes", "[ports]")
{
    Latch latch;
    devices::PortBus bus;
    bus.map(0x3F8, 8, latch);

    bus.write(0x400, 1, 9);
    CHECK(latch.value == 0);
    CHECK(bus.read(0x400, 4) == 0xFFFF'FFFF);
    CHECK(bus.read(0x3F7, 1) == 0xFFFF'FFFF);
}

TEST_CASE("two devices cannot claim one port", "[ports]")
{
    Latch a;
    Latch b;
    devices::PortBus bus;
    bus.map(0x60, 5, a);
    CHECK_THROWS_AS(bus.map(0x64, 1, b), std::logic_error);
    CHECK_NOTHROW(bus.map(0x65, 1, b, "a mouse"));
    try {
        bus.map(0x63, 6, a, "a keyboard");
        FAIL("two devices have one port");
    } catch (std::logic_error const& error) {
        CHECK(std::string{error.what()} ==
              "'a keyboard' cannot have the I/O ports 0x63-0x68: 'another device' has 0x60-0x64");
    }
}

TEST_CASE("a window of ports goes where it is put, but for the ports of others", "[ports]")
{
    Latch fixed;
    Latch moved;
    devices::PortBus bus;
    bus.map(0xC004, 1, fixed);
    {
        auto window = bus.window(1, moved);
        CHECK(bus.read(0xC000, 4) == 0xFFFF'FFFF);
        window.place(0xC000, 16);
        bus.write(0xC004, 1, 7);
        CHECK(fixed.value == 7);
        CHECK(bus.read(0xC005, 1) == 5);
        window.place(0xD000, 16);
        CHECK(bus.read(0xC005, 1) == 0xFFFF'FFFF);
        CHECK(bus.read(0xD00F, 1) == 15);
    }
    CHECK(bus.read(0xD00F, 1) == 0xFFFF'FFFF);
}

TEST_CASE("a refused claim leaves the bus as it was", "[ports]")
{
    Latch a;
    Latch b;
    devices::PortBus bus;
    bus.map(0x64, 1, a);
    CHECK_THROWS_AS(bus.map(0x60, 5, b), std::logic_error);
    CHECK(bus.read(0x60, 1) == 0xFFFF'FFFF);
    CHECK_THROWS_AS(bus.map(0xFFFF, 2, b), std::logic_error);
    CHECK(bus.read(0xFFFF, 1) == 0xFFFF'FFFF);
}

TEST_CASE("a device may span pages of ports, up to the last port", "[ports]")
{
    Latch latch;
    devices::PortBus bus;
    bus.map(0xFEFE, 0x102, latch);
    CHECK(bus.read(0xFEFE, 1) == 0);
    CHECK(bus.read(0xFF00, 1) == 2);
    CHECK(bus.read(0xFFFF, 1) == 0x101);
    CHECK(bus.read(0xFEFD, 1) == 0xFFFF'FFFF);
}

TEST_CASE("at most 255 devices fit, and the next is refused", "[ports]")
{
    Latch latch;
    devices::PortBus bus;
    for (std::uint16_t i = 0; i < 255; ++i)
        bus.map(static_cast<std::uint16_t>(i * 257), 1, latch);
    CHECK(bus.read(254 * 257, 1) == 0);
    CHECK_THROWS_AS(bus.map(1, 1, latch), std::logic_error);
}
