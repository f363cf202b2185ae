#include "devices/pc/mmio_bus.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <string>
#include <vector>

namespace {

struct Access {
    char kind;
    std::uint64_t offset;
    unsigned size;

    friend bool operator==(Access const&, Access const&) = default;
};

/// A byte reads as the low byte of its offset.
struct Registers final : devices::MmioDevice {
    std::vector<Access> seen;
    std::uint64_t written = 0;

    std::uint64_t read(std::uint64_t offset, unsigned size) override
    {
        seen.push_back({'r', offset, size});
        std::uint64_t value = 0;
        for (unsigned n = 0; n < size; ++n)
            value |= (offset + n & 0xFF) << 8 * n;
        return value;
    }
    void write(std::uint64_t offset, unsigned size, std::uint64_t value) override
    {
        seen.push_back({'w', offset, size});
        written = value;
    }
};

struct Dwords final : devices::DwordMmio {
    std::vector<Access> seen;

  private:
    std::uint32_t read_dword(std::uint64_t offset, unsigned size) override
    {
        seen.push_back({'r', offset, size});
        return static_cast<std::uint32_t>(offset);
    }
    void write_dword(std::uint64_t, unsigned size, std::uint32_t value) override
    {
        seen.push_back({'w', value, size});
    }
};

template <std::size_t size>
std::array<unsigned, size> read(devices::MmioBus const& bus, std::uint64_t address)
{
    std::array<std::byte, size> bytes{};
    bus.read(address, bytes);
    std::array<unsigned, size> numbers{};
    for (std::size_t n = 0; n < size; ++n)
        numbers[n] = std::to_integer<unsigned>(bytes[n]);
    return numbers;
}

} // namespace

TEST_CASE("an access reaches the device by its offset, as wide as it was", "[mmio]")
{
    Registers device;
    devices::MmioBus bus;
    bus.map(0xFED0'0000, 0x400, device, "a timer");

    CHECK(read<4>(bus, 0xFED0'00F0) == std::array{0xF0U, 0xF1U, 0xF2U, 0xF3U});
    std::array const eight{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4},
                           std::byte{5}, std::byte{6}, std::byte{7}, std::byte{8}};
    CHECK(bus.write(0xFED0'0008, eight));
    CHECK(device.written == 0x0807'0605'0403'0201);
    CHECK(bus.write(0xFED0'0003, std::span{eight}.first(1)));
    CHECK(device.seen == std::vector<Access>{{'r', 0xF0, 4}, {'w', 8, 8}, {'w', 3, 1}});
}

TEST_CASE("where nobody is, everything reads as all ones and writes are lost", "[mmio]")
{
    Registers device;
    devices::MmioBus bus;
    std::array<std::byte, 8> bytes{};
    CHECK_FALSE(bus.read(0, bytes));
    CHECK(bytes == std::array<std::byte, 8>{std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF},
                                            std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}});
    bus.map(0x1000, 0x1000, device, "a device");
    CHECK_FALSE(bus.read(0xFF8, bytes));
    CHECK_FALSE(bus.read(0x2000, bytes));
    CHECK_FALSE(bus.write(0x2000, bytes));
    CHECK(device.seen.empty());
}

TEST_CASE("an unaligned access comes in aligned parts", "[mmio]")
{
    Registers device;
    devices::MmioBus bus;
    bus.map(0x1000, 0x100, device, "a device");

    CHECK(read<8>(bus, 0x1003) == std::array{3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U});
    CHECK(device.seen == std::vector<Access>{{'r', 3, 1}, {'r', 4, 4}, {'r', 8, 2}, {'r', 10, 1}});
}

TEST_CASE("each byte of an access belongs to the device at its address", "[mmio]")
{
    Registers low;
    Registers high;
    devices::MmioBus bus;
    bus.map(0x1002, 4, low, "low");
    bus.map(0x1007, 4, high, "high");

    CHECK(read<8>(bus, 0x1000) == std::array{0xFFU, 0xFFU, 0U, 1U, 2U, 3U, 0xFFU, 0U});
    CHECK(low.seen == std::vector<Access>{{'r', 0, 2}, {'r', 2, 2}});
    CHECK(high.seen == std::vector<Access>{{'r', 0, 1}});
    CHECK(read<4>(bus, 0x1004) == std::array{2U, 3U, 0xFFU, 0U});
}

TEST_CASE("a device of dwords gets a qword as two, the lower half first", "[mmio]")
{
    Dwords device;
    devices::MmioBus bus;
    bus.map(0x1000, 0x100, device, "a device");
    CHECK(read<8>(bus, 0x1010) == std::array{0x10U, 0U, 0U, 0U, 0x14U, 0U, 0U, 0U});
    std::array const eight{std::byte{1}, std::byte{0}, std::byte{0}, std::byte{0},
                           std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}};
    bus.write(0x1010, eight);
    CHECK(device.seen == std::vector<Access>{{'r', 0x10, 4}, {'r', 0x14, 4}, {'w', 1, 4}, {'w', 2, 4}});
}
