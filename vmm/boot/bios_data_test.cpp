#include "hv/testing/catch.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/boot/testing/kernels.hpp"

#include <algorithm>

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

TEST_CASE("a kernel that loads over the BIOS data area is left as it is", "[boot]")
{
    auto const file = flat_at(0x100);
    Loaded const guest{file};
    CHECK(guest.ram.bytes(0x100, file.size()) == file);
    CHECK(guest.ram.get<std::uint8_t>(0x9'FC00) == 1);
}
