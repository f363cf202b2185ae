#include "devices/pc/platform.hpp"
#include "devices/pc/reset_control.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"

using devices::testing::RecordedPower;

TEST_CASE("the reset register resets on the FADT's value", "[reset]")
{
    RecordedPower power;
    devices::ResetControlRegister port{power};
    CHECK(port.read(0, 1) == 0);
    port.write(0, 1, 0x02);
    CHECK(power.resets == 0);
    CHECK(port.read(0, 1) == 0x02);
    port.write(0, 1, devices::platform::reset_control_value);
    CHECK(power.resets == 1);
    port.write(0, 1, 0x0E);
    CHECK(power.resets == 2);
    CHECK(power.offs == 0);
}

TEST_CASE("of the keyboard controller's commands only the reset pulse does something", "[reset]")
{
    RecordedPower power;
    devices::KeyboardReset port{power};
    CHECK(port.read(0, 1) == 0x01); // takes commands at once
    CHECK(devices::KeyboardReset{power, devices::KeyboardReset::nobody}.read(0, 1) == 0xFF);
    for (unsigned command = 0; command < 0x100; ++command) {
        if (command < 0xF0 || command % 2 == 1) port.write(0, 1, command);
    }
    CHECK(power.resets == 0);
    port.write(0, 1, 0xFE);
    CHECK(power.resets == 1);
}

TEST_CASE("port 0x92 keeps A20 and resets on bit 0", "[reset]")
{
    RecordedPower power;
    devices::SystemControlPortA port{power};
    CHECK(port.read(0, 1) == 0x02);
    port.write(0, 1, 0x00);
    CHECK(port.read(0, 1) == 0x00);
    port.write(0, 1, 0xFE);
    CHECK(port.read(0, 1) == 0x02);
    CHECK(power.resets == 0);
    port.write(0, 1, 0x01);
    CHECK(power.resets == 1);
}

TEST_CASE("no sequence of accesses powers a machine off through its reset ports", "[reset][hammer]")
{
    RecordedPower power;
    devices::ResetControlRegister reset_register{power};
    devices::KeyboardReset keyboard{power};
    devices::SystemControlPortA port_a{power};
    for (devices::PortDevice* const device :
         {static_cast<devices::PortDevice*>(&reset_register), static_cast<devices::PortDevice*>(&keyboard),
          static_cast<devices::PortDevice*>(&port_a)}) {
        power.resets = 0;
        devices::testing::hammer(*device, 1, [&] {
            if (device->read(1, 4) != 0xFFFF'FFFF) FAIL("a register beyond the last");
        });
        CHECK(power.resets > 0);
    }
    CHECK(power.offs == 0);
}
