/// The test function whose state was put into another one answers as the first, at the same places.
#include "devices/pc/pci_host.hpp"
#include "devices/pc/testing/pci_doubles.hpp"
#include "devices/test_devices/pci_test_function.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

#include <array>
#include <cstring>
#include <span>

namespace {

constexpr std::uint64_t registers = 0xE000'0000;
constexpr std::uint64_t memory = 0xE010'0000;
constexpr std::uint16_t ports = 0xC100;

struct Machine {
    Machine() { host.add({3, 0}, device.function()); }

    void config(std::uint8_t offset, std::uint32_t value) { device.function().config_write(offset, 4, value); }
    [[nodiscard]] std::uint32_t at(std::uint64_t address) const
    {
        std::array<std::byte, 4> bytes{};
        (void)memory_bus.read(address, bytes);
        std::uint32_t value = 0;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }
    void put(std::uint64_t address, std::uint32_t value) const
    {
        (void)memory_bus.write(address, std::as_bytes(std::span{&value, 1}));
    }

    devices::testing::RecordedMessages messages;
    devices::PortBus port_bus;
    devices::MmioBus memory_bus;
    devices::PciTestFunction device{{3, 0}, {memory_bus, port_bus}, messages};
    devices::PciHost host;
};

} // namespace

TEST_CASE("the test function's registers, ports and memory go elsewhere", "[pci][state]")
{
    Machine first;
    first.config(0x10, registers);
    first.config(0x14, ports);
    first.config(0x18, memory);
    first.config(4, 3);
    first.put(registers + 4, 0x1234'5678);
    first.put(memory + 0x800, 0xCAFE'F00D);
    first.port_bus.write(ports + 5, 1, 0x5A);

    Machine second;
    hv::testing::SavedState saved;
    saved.save(first.host);
    saved.restore(second.host);
    CHECK(second.at(registers + 4) == 0x1234'5678);
    CHECK(second.at(registers + 8) == 1); // how many writes
    CHECK(second.at(memory + 0x800) == 0xCAFE'F00D);
    CHECK(second.port_bus.read(ports + 5, 1) == 0x5A);
    second.put(registers + 4, 7);
    CHECK(second.at(registers + 8) == 2);
}
