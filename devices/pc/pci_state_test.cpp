/// A PCI function whose state was put into another one answers as the first, at the same places.
#include "devices/pc/pci_endpoint.hpp"
#include "devices/pc/pci_host.hpp"
#include "devices/pc/testing/pci_doubles.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

#include <array>
#include <cstring>
#include <random>
#include <vector>

namespace {

using devices::MsiMessage;
using devices::PciBar;
using Memory = devices::testing::OffsetMemory;
using Ports = devices::testing::OffsetPorts;
using Messages = devices::testing::RecordedMessages;

constexpr unsigned vectors = 40;

/// A function with all that there is, in the slot 00:03.0 of a host.
struct Bus {
    Bus()
    {
        endpoint.add_bar(0, {.kind = PciBar::Kind::Memory32, .size = 0x1000, .memory = &registers});
        endpoint.add_bar(1, {.kind = PciBar::Kind::Io, .size = 0x10, .ports = &ports});
        endpoint.add_bar(2, {.kind = PciBar::Kind::Memory64, .size = 0x10'0000, .memory = &registers});
        endpoint.add_rom({std::byte{0x55}, std::byte{0xAA}});
        host.add(endpoint.slot(), endpoint);
    }

    std::uint32_t config(unsigned offset) { return endpoint.config_read(static_cast<std::uint8_t>(offset), 4); }
    void config(unsigned offset, std::uint32_t value)
    {
        endpoint.config_write(static_cast<std::uint8_t>(offset), 4, value);
    }
    [[nodiscard]] std::uint32_t at(std::uint64_t address) const
    {
        std::array<std::byte, 4> bytes{};
        memory_bus.read(address, bytes);
        std::uint32_t value = 0;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }
    void put(std::uint64_t address, std::uint32_t value) const
    {
        memory_bus.write(address, std::as_bytes(std::span{&value, 1}));
    }

    /// Something that a driver does, or a device; ranges stay near each other, so that they overlap at times.
    void step(std::mt19937& random)
    {
        auto const value = static_cast<std::uint32_t>(random());
        auto const place = table + random() % vectors * 16 + random() % 4 * 4;
        switch (random() % 8) {
        case 0: config(4, value % 8); break;
        case 1: config(0x10 + static_cast<unsigned>(random() % 9) * 4, (value & 0x003F'F001) | 0x4000'0000); break;
        case 2: config(static_cast<unsigned>(random() % 64) * 4, value); break;
        case 3: config(0x18, ~0U); break; // is asked for its size
        case 4: msi.raise(value % 8); break;
        case 5: msix.raise(value % vectors); break;
        case 6:
            config(4, 7);
            config(0x20, table);
            put(place, value);
            break;
        case 7: host.address_port().write(0, 4, value | 0x8000'0000); break;
        }
    }

    static constexpr std::uint32_t table = 0x5000'0000; ///< of MSI-X, when it is in BAR 4

    devices::MmioBus memory_bus;
    devices::PortBus port_bus;
    Memory registers;
    Ports ports;
    Messages messages;
    devices::PciEndpoint endpoint{{0x1AF4, 0x10F0, 0xFF0000}, {3, 0}, {memory_bus, port_bus}};
    devices::Msi& msi{endpoint.add_msi(8, messages)};
    devices::Msix& msix{endpoint.add_msix(4, vectors, messages)};
    devices::PciHost host;
};

void check_alike(Bus& first, Bus& second)
{
    for (unsigned offset = 0; offset < 256; offset += 4)
        REQUIRE(first.config(offset) == second.config(offset));
    for (unsigned n = 0; n < 32; ++n)
        REQUIRE(first.at(0x4000'0000 + n * 0x8000) == second.at(0x4000'0000 + n * 0x8000));
    for (unsigned dword = 0; dword < 4 * vectors; ++dword)
        REQUIRE(first.at(Bus::table + dword * 4) == second.at(Bus::table + dword * 4));
    for (unsigned port = 0; port < 0x1'0000; port += 16)
        REQUIRE(first.port_bus.read(static_cast<std::uint16_t>(port), 4) ==
                second.port_bus.read(static_cast<std::uint16_t>(port), 4));
    REQUIRE(first.host.address_port().read(0, 4) == second.host.address_port().read(0, 4));
}

} // namespace

TEST_CASE("a PCI function goes on elsewhere where it was", "[pci][msi][state]")
{
    std::mt19937 random{4};
    for (unsigned round = 0; round < 10; ++round) {
        Bus first;
        for (unsigned i = 0; i < round * 40; ++i)
            first.step(random);
        hv::testing::SavedState saved;
        saved.save(first.host);
        Bus second;
        saved.restore(second.host);
        CHECK(second.messages.sent.empty());
        first.messages.sent.clear();
        check_alike(first, second);
        for (unsigned i = 0; i < 100; ++i) {
            auto same = random;
            first.step(random);
            second.step(same);
            REQUIRE(first.messages.sent == second.messages.sent);
        }
        check_alike(first, second);
    }
}

TEST_CASE("an interrupt that waits for its mask bit comes elsewhere", "[pci][msi][state]")
{
    Bus first;
    first.config(4, 6);
    first.config(0x20, Bus::table);
    first.put(Bus::table + 39 * 16, 0xFEE0'0000);
    first.put(Bus::table + 39 * 16 + 8, 0x61);
    auto const msix = 0x40U + 6 * 4; // behind MSI
    first.config(msix, 1U << 31);
    first.msix.raise(39);
    REQUIRE(first.messages.sent.empty());

    hv::testing::SavedState saved;
    saved.save(first.host);
    Bus second;
    saved.restore(second.host);
    second.put(Bus::table + 39 * 16 + 12, 0);
    CHECK(second.messages.sent == std::vector{MsiMessage{0xFEE0'0000, 0x61}});
}

TEST_CASE("a PCI function whose saved state is a lie does no harm", "[pci][msi][state][hostile]")
{
    Bus bus;
    hv::testing::LyingState liar;
    bus.host.visit(liar);
    CHECK(bus.config(0) == 0x10F0'1AF4);
    std::mt19937 random{5};
    for (unsigned i = 0; i < 1000; ++i)
        bus.step(random);
}
