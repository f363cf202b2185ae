#include "devices/pc/pci_endpoint.hpp"
#include "devices/pc/testing/pci_doubles.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/threads.hpp"

#include <array>
#include <cstring>
#include <random>
#include <stdexcept>
#include <vector>

namespace {

using devices::MsiMessage;
using devices::PciBar;
using Memory = devices::testing::OffsetMemory;
using Ports = devices::testing::OffsetPorts;
using Messages = devices::testing::RecordedMessages;

constexpr std::uint64_t nowhere = 0xFFFF'FFFF;

/// A function with a range of each kind, in the slot 00:03.0.
struct Function {
    explicit Function(devices::PciSlot slot = {3, 0}) : endpoint{{0x1AF4, 0x10F0, 0xFF0000}, slot, buses}
    {
        endpoint.add_bar(0, {.kind = PciBar::Kind::Memory32, .size = 0x1000, .memory = &registers});
        endpoint.add_bar(1, {.kind = PciBar::Kind::Io, .size = 0x10, .ports = &ports});
        endpoint.add_bar(2,
                         {.kind = PciBar::Kind::Memory64, .size = 0x10'0000, .memory = &wide, .prefetchable = true});
        endpoint.add_rom({std::byte{0x55}, std::byte{0xAA}});
    }

    std::uint32_t config(unsigned offset) { return endpoint.config_read(static_cast<std::uint8_t>(offset), 4); }
    void config(unsigned offset, std::uint32_t value, unsigned size = 4)
    {
        endpoint.config_write(static_cast<std::uint8_t>(offset), size, value);
    }
    void decode(bool memory, bool io) { config(4, (memory ? 2U : 0U) | (io ? 1U : 0U), 2); }

    std::uint64_t read(std::uint64_t address)
    {
        std::array<std::byte, 4> bytes{};
        memory_bus.read(address, bytes);
        std::uint32_t value = 0;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }

    devices::MmioBus memory_bus;
    devices::PortBus port_bus;
    devices::PciBuses buses{memory_bus, port_bus};
    Memory registers;
    Memory wide;
    Ports ports;
    devices::PciEndpoint endpoint;
};

} // namespace

TEST_CASE("a function tells its identity, and that cannot be written", "[pci]")
{
    Function function;
    for (unsigned offset = 0; offset < 256; offset += 4) {
        if (offset != 4 && offset < 0x10) function.config(offset, 0);
    }
    CHECK(function.config(0) == 0x10F0'1AF4);
    CHECK(function.config(8) == 0xFF00'0000);
    CHECK(function.endpoint.config_read(3, 1) == 0x10); // the caller takes the low byte
    CHECK((function.config(0xC) & 0xFF0000) == 0);
    CHECK(function.config(0x34) == 0);
}

TEST_CASE("all ones written to a base address register bring its size", "[pci]")
{
    Function function;
    for (unsigned offset = 0x10; offset <= 0x30; offset += 4)
        function.config(offset, ~0U);
    CHECK(function.config(0x10) == 0xFFFF'F000);
    CHECK(function.config(0x14) == 0xFFFF'FFF1);
    CHECK(function.config(0x18) == 0xFFF0'000C); // 64 bits, prefetchable
    CHECK(function.config(0x1C) == 0xFFFF'FFFF);
    CHECK(function.config(0x20) == 0);
    CHECK(function.config(0x24) == 0);
    CHECK(function.config(0x30) == 0xFFFF'F801);
}

TEST_CASE("a function answers where its registers say, once it is told to", "[pci]")
{
    Function function;
    function.config(0x10, 0xC000'0000);
    function.config(0x14, 0xC000);
    function.config(0x18, 0x1234'5678);
    function.config(0x1C, 0x10);
    CHECK(function.config(0x18) == 0x1230'000C);

    CHECK(function.read(0xC000'0004) == nowhere);
    function.decode(true, false);
    CHECK(function.read(0xC000'0004) == 4);
    CHECK(function.read(0xC000'0FFC) == 0xFFC);
    CHECK(function.read(0xC000'1000) == nowhere);
    CHECK(function.read(0x10'1230'0008) == 8);
    CHECK(function.port_bus.read(0xC004, 1) == 0xFFFF'FFFF);

    function.decode(true, true);
    CHECK(function.port_bus.read(0xC004, 1) == 4);
    function.decode(false, true);
    CHECK(function.read(0xC000'0004) == nowhere);
    CHECK(function.port_bus.read(0xC004, 1) == 4);
}

TEST_CASE("a range that is moved while it is decoded is in the new place and in no other", "[pci]")
{
    Function function;
    function.decode(true, true);
    function.config(0x10, 0xC000'0000);
    function.config(0x10, 0xD000'0000);
    CHECK(function.read(0xC000'0000) == nowhere);
    CHECK(function.read(0xD000'0010) == 0x10);
    function.config(0x13, 0xC0, 1); // one byte of it
    CHECK(function.read(0xC000'0010) == 0x10);

    function.config(0x18, 0xE000'0000);
    function.config(0x1C, 1);
    CHECK(function.read(0xE000'0000) == nowhere);
    CHECK(function.read(0x1'E000'0010) == 0x10);
    function.config(0x14, 0xFFFC'FFF0); // ports that there are none of
    CHECK(function.port_bus.read(0xFFF0, 1) == 0xFFFF'FFFF);
}

TEST_CASE("a ROM answers when its own register and the command register say so", "[pci]")
{
    Function function;
    function.config(0x30, 0xC100'0000);
    function.decode(true, false);
    CHECK(function.read(0xC100'0000) == nowhere);
    function.config(0x30, 0xC100'0001);
    CHECK(function.read(0xC100'0000) == 0xFFFF'AA55);
    CHECK(function.read(0xC100'07FC) == nowhere);
    function.decode(false, false);
    CHECK(function.read(0xC100'0000) == nowhere);
}

TEST_CASE("where functions overlap, the one with the lower number answers", "[pci]")
{
    Function function;
    devices::PciEndpoint lower{{0x1AF4, 0x10F0, 0xFF0000}, {2, 0}, function.buses};
    Memory memory;
    devices::MmioBus& bus = function.memory_bus;
    lower.add_bar(0, {.kind = PciBar::Kind::Memory32, .size = 0x10, .memory = &memory});
    Memory fixed;
    bus.map(0xC000'0020, 0x10, fixed, "a fixed device");

    function.config(0x10, 0xC000'0000);
    function.decode(true, false);
    lower.config_write(0x10, 4, 0xC000'0010);
    lower.config_write(4, 2, 2);
    CHECK(function.read(0xC000'000C) == 0xC);
    CHECK(function.read(0xC000'0010) == 0);
    CHECK(function.read(0xC000'0020) == 0);
    CHECK(function.read(0xC000'0030) == 0x30);
    lower.config_write(4, 2, 0);
    CHECK(function.read(0xC000'0010) == 0x10);
}

TEST_CASE("what no register can be is refused while the machine is built", "[pci]")
{
    Function function;
    Memory memory;
    auto const refuses = [&](unsigned number, PciBar const& bar) {
        CHECK_THROWS_AS(function.endpoint.add_bar(number, bar), std::logic_error);
    };
    refuses(0, {.kind = PciBar::Kind::Memory32, .size = 0x1000, .memory = &memory}); // taken
    refuses(3, {.kind = PciBar::Kind::Memory32, .size = 0x1000, .memory = &memory}); // half of another
    refuses(4, {.kind = PciBar::Kind::Memory32, .size = 0x1800, .memory = &memory});
    refuses(4, {.kind = PciBar::Kind::Memory32, .size = 8, .memory = &memory});
    refuses(4, {.kind = PciBar::Kind::Memory32, .size = 0x1000});
    refuses(5, {.kind = PciBar::Kind::Memory64, .size = 0x1000, .memory = &memory});
    refuses(6, {.kind = PciBar::Kind::Memory32, .size = 0x1000, .memory = &memory});
}

TEST_CASE("capabilities form a list", "[pci]")
{
    Function function;
    Messages messages;
    function.endpoint.add_msi(4, messages);
    function.endpoint.add_msix(4, 3, messages);

    CHECK((function.config(4) >> 16 & 0x10) != 0);
    auto const first = function.config(0x34);
    CHECK((function.config(first) & 0xFF) == 5);
    auto const second = function.config(first) >> 8 & 0xFF;
    CHECK((function.config(second) & 0xFFFF) == 0x11);
    CHECK((function.config(second) >> 16) == 2); // three vectors
    CHECK(function.config(second + 4) == 4);
    CHECK(function.config(second + 8) == 0x1004);
}

TEST_CASE("two processors set a function up at the same time", "[pci][threads]")
{
    Function function;
    Messages messages;
    function.endpoint.add_msix(4, 4, messages);
    auto const hammer = [&](unsigned seed) {
        std::mt19937 random{seed};
        for (unsigned n = 0; n < 2000; ++n) {
            function.config(static_cast<unsigned>(4 * (1 + random() % 20)), static_cast<std::uint32_t>(random()));
            (void)function.read(random() & 0xFFFF'FFF0);
            (void)function.port_bus.read(static_cast<std::uint16_t>(random()), 1);
        }
    };
    hv::testing::run_together({[&] { hammer(1); }, [&] { hammer(2); }});
    function.config(0x10, 0xC000'0000);
    function.decode(true, false);
    CHECK(function.config(0) == 0x10F0'1AF4);
}
