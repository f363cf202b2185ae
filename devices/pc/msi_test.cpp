#include "devices/pc/msi.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>
#include <utility>
#include <vector>

namespace {

using devices::MsiMessage;
using Messages = std::vector<MsiMessage>;

struct Sink final : devices::MsiSink {
    Messages sent;
    void send(MsiMessage const& message) override { sent.push_back(message); }
    Messages take() { return std::exchange(sent, {}); }
};

constexpr std::uint32_t all = ~0U;

} // namespace

TEST_CASE("MSI sends what the guest has set, with the vector in the data's low bits", "[pci][msi]")
{
    Sink sink;
    devices::Msi msi{8, sink};
    msi.set_bus_master(true);
    msi.write(1, 0xFEE0'1003, all);
    msi.write(3, 0xABCD'4045, all);
    msi.raise(0);
    CHECK(sink.take().empty());

    msi.write(0, 3U << 20 | 1U << 16, all); // all eight, enabled
    CHECK(msi.enabled());
    msi.raise(6);
    CHECK(sink.take() == Messages{{0xFEE0'1000, 0x4046}});
    msi.write(0, 1U << 20 | 1U << 16, all); // two
    msi.raise(6);
    CHECK(sink.take() == Messages{{0xFEE0'1000, 0x4044}});
    msi.write(0, 7U << 20 | 1U << 16, all); // more than there are
    msi.raise(9);
    CHECK(sink.take() == Messages{{0xFEE0'1000, 0x4041}});
    CHECK(msi.read(0) == (7U << 20 | 1U << 16 | 3U << 17 | 1U << 23 | 1U << 24));
}

TEST_CASE("an MSI that is masked waits, once", "[pci][msi]")
{
    Sink sink;
    devices::Msi msi{4, sink};
    msi.set_bus_master(true);
    msi.write(3, 0x40, all);
    msi.write(0, 2U << 20 | 1U << 16, all);
    msi.write(4, all, all);
    CHECK(msi.read(4) == 0xF);
    msi.raise(2);
    msi.raise(2);
    CHECK(msi.read(5) == 4);
    CHECK(sink.take().empty());
    msi.write(4, 0xB, all);
    CHECK(sink.take() == Messages{{0, 0x42}});
    CHECK(msi.read(5) == 0);

    msi.set_bus_master(false);
    msi.raise(2);
    CHECK(sink.take().empty());
    msi.set_bus_master(true);
    CHECK(sink.take().size() == 1);

    msi.raise(0);
    msi.write(0, 0, all); // disabled, it forgets
    msi.write(4, 0, all);
    msi.write(0, 1U << 16, all);
    CHECK(sink.take().empty());
}

TEST_CASE("MSI and MSI-X have as many vectors as there can be", "[pci][msi]")
{
    Sink sink;
    CHECK_THROWS_AS(devices::Msi(3, sink), std::logic_error);
    CHECK_THROWS_AS(devices::Msi(64, sink), std::logic_error);
    CHECK_THROWS_AS(devices::Msix(0, 0, sink), std::logic_error);
    CHECK_THROWS_AS(devices::Msix(0, 2049, sink), std::logic_error);
    CHECK_THROWS_AS(devices::Msix(6, 1, sink), std::logic_error);
    CHECK(devices::Msix(0, 2048, sink).memory_size() == 64 * 1024);
}

TEST_CASE("MSI-X sends the message of the vector's entry", "[pci][msi]")
{
    Sink sink;
    devices::Msix msix{4, 3, sink};
    auto& memory = msix.memory();
    msix.set_bus_master(true);
    memory.write(0x20, 8, 0x1'FEE0'1007);
    memory.write(0x28, 8, 0x45); // data, and unmasked
    CHECK(memory.read(0x20, 8) == 0x1'FEE0'1004);
    CHECK(memory.read(0x0C, 4) == 1); // masked at first
    msix.raise(2);
    CHECK(sink.take().empty());

    msix.write(0, 1U << 31, all);
    msix.raise(2);
    CHECK(sink.take() == Messages{{0x1'FEE0'1004, 0x45}});
    msix.raise(3); // there is none
    CHECK(sink.take().empty());
}

TEST_CASE("a masked vector of MSI-X is pending until it is unmasked", "[pci][msi]")
{
    Sink sink;
    devices::Msix msix{4, 40, sink};
    auto& memory = msix.memory();
    auto const pending = msix.memory_size() / 2;
    msix.set_bus_master(true);
    msix.write(0, 1U << 31, all);
    memory.write(39 * 16 + 8, 4, 0x51);
    msix.raise(39);
    CHECK(memory.read(pending + 4, 4) == 0x80);
    CHECK(memory.read(pending, 8) == std::uint64_t{0x80} << 32);
    CHECK(memory.read(pending + 4, 1) == 0x80);
    memory.write(pending + 4, 4, 0); // read-only
    CHECK(memory.read(pending + 4, 4) == 0x80);
    memory.write(39 * 16 + 12, 4, 0);
    CHECK(sink.take() == Messages{{0, 0x51}});
    CHECK(memory.read(pending + 4, 4) == 0);

    msix.write(0, 3U << 30, all); // the function is masked
    msix.raise(39);
    CHECK(sink.take().empty());
    msix.write(0, 1U << 31, all);
    CHECK(sink.take().size() == 1);
    CHECK(memory.read(msix.memory_size() - 4, 4) == 0);
}
