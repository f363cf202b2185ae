#include "devices/firmware/flash.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <vector>

using namespace devices::firmware;

namespace {

struct Kept final : FlashContent {
    mutable std::vector<std::byte> there = std::vector<std::byte>(4 * flash_block, std::byte{0xFF});
    std::vector<std::byte> kept = there;
    unsigned calls = 0;

    std::span<std::byte> bytes() const override { return there; }
    void keep(std::size_t offset, std::size_t size) noexcept override
    {
        CHECK(size != 0);
        CHECK(offset / flash_block == (offset + size - 1) / flash_block);
        std::copy_n(there.begin() + static_cast<std::ptrdiff_t>(offset), size,
                    kept.begin() + static_cast<std::ptrdiff_t>(offset));
        ++calls;
    }
};

struct Window final : FlashWindow {
    bool is_open = true;

    void open(bool yes) override
    {
        CHECK(yes != is_open);
        is_open = yes;
    }
};

struct Machine {
    Kept content;
    Window window;
    Flash flash{content, window};

    void write(std::uint64_t offset, unsigned value) { flash.write(offset, 1, value); }
    void program(std::uint64_t offset, unsigned value)
    {
        write(offset, 0x10);
        write(offset, value);
    }
    std::uint64_t read(std::uint64_t offset) { return flash.read(offset, 1); }
};

} // namespace

// OvmfPkg/QemuFlashFvbServicesRuntimeDxe/QemuFlash.c, QemuFlashDetected.
TEST_CASE("OVMF tells the flash from RAM and ROM", "[flash]")
{
    Machine m;
    m.write(0, 0x50);
    CHECK(m.read(0) == 0xFF); // RAM would have kept it
    m.write(0, 0x70);
    CHECK_FALSE(m.window.is_open);
    CHECK(m.read(0) == 0x00);
    m.write(0, 0xFF);
    CHECK(m.window.is_open);
    CHECK(m.read(0) == 0xFF);
}

TEST_CASE("bytes are programmed one by one and kept when the array is shown", "[flash]")
{
    Machine m;
    for (unsigned n = 0; n < 16; ++n)
        m.program(0x1FF8 + n, n);
    CHECK(m.read(0x1FF8) == 0x80); // the status: ready
    CHECK(m.content.calls == 1);   // a run ends where its block does
    m.write(0x2007, 0xFF);
    CHECK(m.content.calls == 2);
    CHECK(m.content.kept == m.content.there);
    CHECK(m.read(0x2007) == 15);
    CHECK(m.flash.read(0x2000, 8) == 0x0F0E'0D0C'0B0A'0908);
}

TEST_CASE("a block is erased by two writes", "[flash]")
{
    Machine m;
    m.program(0x1000, 0x12);
    m.program(0x2000, 0x34);
    m.write(0x1800, 0x20);
    CHECK(m.content.there[0x1000] == std::byte{0x12});
    m.write(0x1800, 0xD0);
    m.write(0x1800, 0xFF);
    CHECK(m.read(0x1000) == 0xFF);
    CHECK(m.read(0x2000) == 0x34);
    CHECK(m.content.kept == m.content.there);

    m.write(0x2000, 0x20);
    m.write(0x2000, 0x10); // no confirmation
    CHECK(m.read(0) == 0xB0);
    m.write(0x2000, 0x50);
    m.write(0x2000, 0x70);
    CHECK(m.read(0) == 0);
    m.write(0x2000, 0xFF);
    CHECK(m.read(0x2000) == 0x34);
}

TEST_CASE("what is kept is always what the flash was at some moment", "[flash]")
{
    Machine m;
    std::vector<std::vector<std::byte>> past{m.content.there}; // after each change
    std::mt19937 random{7};
    for (unsigned step = 0; step < 3000; ++step) {
        auto const offset = random() % m.content.there.size();
        switch (random() % 5) {
        case 0: m.write(offset, 0xFF); break;
        case 1:
            m.write(offset, 0x20);
            m.write(offset, 0xD0);
            break;
        default:
            for (unsigned n = 0; n < random() % 8 && offset + n < m.content.there.size(); ++n) {
                m.program(offset + n, static_cast<unsigned>(random() % 256));
                past.push_back(m.content.there);
            }
        }
        past.push_back(m.content.there);
        auto const found = std::ranges::find(past, m.content.kept);
        REQUIRE(found != past.end());
        if (m.window.is_open) REQUIRE(m.content.kept == m.content.there);
        past.erase(past.begin(), found);
    }
}

TEST_CASE("what has been programmed last is kept when the chip goes", "[flash]")
{
    Kept content;
    Window window;
    {
        Flash flash{content, window};
        flash.write(5, 1, 0x40);
        flash.write(5, 1, 0xAB);
        CHECK(content.calls == 0);
    }
    CHECK(content.kept[5] == std::byte{0xAB});
}

TEST_CASE("no sequence of accesses confuses the flash", "[flash][hammer]")
{
    Machine m;
    std::mt19937 random{11};
    constexpr std::array<unsigned, 8> commands{0x10, 0x40, 0x20, 0xD0, 0x50, 0x70, 0xFF, 0x90};
    for (unsigned step = 0; step < 100'000; ++step) {
        auto const size = 1U << random() % 4;
        auto const offset = random() % m.content.there.size() & ~std::uint64_t{size - 1};
        if (random() % 2) {
            (void)m.flash.read(offset, size);
        } else {
            m.flash.write(offset, size, random() % 2 ? commands[random() % 8] : random());
        }
    }
    m.write(0, 0xFF);
    m.write(0, 0xFF);
    m.write(0, 0xFF);
    CHECK(m.window.is_open);
    CHECK(m.content.kept == m.content.there);
}
