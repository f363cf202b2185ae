#include "hv/testing/catch.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/boot/testing/kernels.hpp"

#include <array>

using namespace vmm;
using namespace vmm::testing;

namespace {

struct Loaded {
    explicit Loaded(Bytes const& file)
    {
        ScratchFile const kernel{file};
        (void)load_kernel({kernel.path(), {}, "x", hv::Gpa{0xE'0000}}, ram.layout(), ram.memory());
    }

    GuestRam ram{64 * layout::mib};
};

Bytes flat_at(std::uint32_t address)
{
    auto file = make_multiboot_flat();
    put(file, flat::addresses,
        std::array<std::uint32_t, 5>{address + std::uint32_t{flat::header}, address, 0, 0, address});
    return file;
}

} // namespace

TEST_CASE("a kernel of any kind finds what firmware leaves below 1 MiB", "[boot]")
{
    Loaded const guest{GENERATE(make_bzimage(), make_pvh_elf64(), make_pvh_elf32(), make_multiboot_flat())};
    auto const word = [&](std::uint64_t address) { return guest.ram.get<std::uint16_t>(address); };

    CHECK(word(0x400) == 0x3F8); // COM1, and no other serial or parallel port
    for (std::uint64_t port = 0x402; port < 0x40E; port += 2)
        CHECK(word(port) == 0);
    CHECK((word(0x410) >> 9 & 7) == 1); // serial ports
    CHECK(word(0x413) == 639);
    CHECK(word(0x41A) == word(0x41C)); // an empty keyboard buffer
    CHECK(word(0x480) < word(0x482));

    auto const extended = std::uint64_t{word(0x40E)} << 4;
    CHECK(extended == word(0x413) * layout::kib);
    CHECK(guest.ram.get<std::uint8_t>(extended) * layout::kib == 0xA'0000 - extended);
}

TEST_CASE("every real-mode interrupt has a handler in ROM", "[boot]")
{
    Loaded const guest{make_bzimage()};
    auto const handler = [&](unsigned vector) {
        auto const offset = guest.ram.get<std::uint16_t>(vector * 4);
        auto const segment = guest.ram.get<std::uint16_t>(vector * 4 + 2);
        return hv::Gpa{segment * 16ULL + offset};
    };
    constexpr std::array<std::uint8_t, 3> set_carry_flag{0x80, 0x4E, 0x06};
    for (unsigned vector = 0; vector < 256; ++vector) {
        CAPTURE(vector);
        CHECK(layout::bios_rom.contains({handler(vector), 12}));
    }
    CHECK(guest.ram.get<std::uint8_t>(handler(0x08).value) == 0xCF); // a timer's interrupt is only returned from
    CHECK(guest.ram.get<std::array<std::uint8_t, 3>>(handler(0x15).value + 3) == set_carry_flag);
    CHECK(handler(0x13) == handler(0x15));
    CHECK(guest.ram.get<std::uint16_t>(handler(0x11).value + 5) == 0x10); // the word at 40:10
    CHECK(guest.ram.get<std::uint16_t>(handler(0x12).value + 5) == 0x13);
    CHECK(handler(0x19) == hv::Gpa{0xF'FFF0});
    CHECK(guest.ram.get<std::uint8_t>(0xF'FFFE) == 0xFC);
}

TEST_CASE("the memory map agrees with what the BIOS data area says", "[boot]")
{
    MemoryLayout const memory{64 * layout::mib};
    auto const first = memory.map()[0];
    CHECK(first.kind == MemoryKind::ram);
    CHECK(first.range == MemoryRange{hv::Gpa{0}, 639 * layout::kib});
    auto const second = memory.map()[1];
    CHECK(second.kind == MemoryKind::reserved);
    CHECK(second.range == MemoryRange{hv::Gpa{639 * layout::kib}, layout::kib});
}

TEST_CASE("a kernel that loads over vectors and BIOS data is left as it is", "[boot]")
{
    auto const file = flat_at(0x100);
    Loaded const guest{file};
    CHECK(guest.ram.bytes(0x100, file.size()) == file);
    CHECK(guest.ram.bytes(0, 0x100) == Bytes(0x100));
    CHECK(guest.ram.get<std::uint8_t>(0x9'FC00) == 1);
}
