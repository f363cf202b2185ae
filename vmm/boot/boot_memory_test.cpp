#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/boot_memory.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/boot/testing/kernels.hpp"

#include <algorithm>
#include <array>
#include <asm/bootparam.h>

using namespace vmm;
using namespace vmm::testing;
using Catch::Matchers::Contains;

namespace {

constexpr MemoryRange all_low_ram = layout::low_ram;

MemoryRange page(std::uint64_t address)
{
    return {hv::Gpa{address}, hv::page_size};
}

/// A Multiboot kernel that is its whole file, loaded at `address`, with `bss` bytes behind it.
Bytes flat_at(std::uint32_t address, std::uint32_t bss)
{
    auto file = make_multiboot_flat();
    auto const end = address + static_cast<std::uint32_t>(file.size());
    put(file, flat::addresses,
        std::array<std::uint32_t, 5>{address + std::uint32_t{flat::header}, address, end, end + bss, address});
    return file;
}

struct LoadedFlat {
    LoadedFlat(std::uint32_t address, std::uint32_t bss, std::string const& cmdline = "hello")
        : file{flat_at(address, bss)}, kernel{hv::Gpa{address}, file.size() + bss}
    {
        ScratchFile const kernel_file{file};
        ScratchFile const initrd_file{pattern(5000)};
        state = load_kernel({kernel_file.path(), initrd_file.path(), cmdline, hv::Gpa{0xE'0000}}, ram.layout(),
                            ram.memory());
    }

    [[nodiscard]] std::uint32_t info(std::size_t offset) const { return ram.get<std::uint32_t>(state.rbx + offset); }

    GuestRam ram{64 * layout::mib};
    Bytes file;
    MemoryRange kernel;
    BootState state;
};

} // namespace

TEST_CASE("boot data goes to the lowest pages that are free, but for the first", "[boot]")
{
    MemoryLayout const memory{64 * layout::mib};
    RamClaims claims{memory};
    claims.claim(page(0x2000), "the kernel");
    claims.claim({hv::Gpa{0x4800}, 0x10}, "the kernel");

    CHECK(claims.claim_boot_data(1) == MemoryRange{hv::Gpa{0x1000}, 1});
    CHECK(claims.claim_boot_data(0x1801) == MemoryRange{hv::Gpa{0x5000}, 0x1801});
    CHECK(claims.claim_boot_data(0x1000) == page(0x3000));
}

TEST_CASE("boot data goes above a kernel that fills low RAM", "[boot]")
{
    MemoryLayout const memory{64 * layout::mib};
    RamClaims claims{memory};
    claims.claim(all_low_ram, "the kernel");

    CHECK(claims.claim_boot_data(0x1000) == page(64 * layout::mib - 0x1000));
    claims.claim({layout::extended_ram, 63 * layout::mib - 0x1000}, "more of the kernel");
    CHECK_THROWS_WITH(claims.claim_boot_data(1), Contains("no room"));
}

TEST_CASE("what is handed over lies clear of the kernel, wherever that loads", "[boot]")
{
    auto const address = GENERATE(0U, 0x500U, 0x1000U, 0x7C00U, 0x1'0000U, 0x2'0000U, 0x10'0000U);
    auto const bss = GENERATE(0U, 0x1'0000U, 0x6'0000U);
    CAPTURE(address, bss);
    LoadedFlat const guest{address, bss};

    CHECK(guest.ram.bytes(address, guest.file.size()) == guest.file);
    CHECK(guest.ram.bytes(address + guest.file.size(), bss) == Bytes(bss));
    CHECK_THAT(guest.ram.text(guest.info(16)), Catch::Matchers::EndsWith(" hello"));
    CHECK(guest.ram.text(guest.info(64)) == "Porthole");
    auto const module = guest.ram.get<std::uint32_t>(guest.info(24));
    CHECK(guest.ram.bytes(module, 5000) == pattern(5000));

    for (auto const data : {guest.state.rbx, guest.state.gdt.value, std::uint64_t{guest.info(16)}}) {
        CHECK_FALSE(guest.kernel.overlaps(page(data)));
        CHECK(data >= hv::page_size);
    }
}

TEST_CASE("a Linux kernel's boot data lies in low RAM, each apart from the others", "[boot]")
{
    ScratchFile const kernel{make_bzimage()};
    GuestRam const ram{64 * layout::mib};
    auto const state = load_kernel({kernel.path(), {}, "x", hv::Gpa{0xE'0000}}, ram.layout(), ram.memory());
    auto const params = ram.get<boot_params>(state.rsi);

    std::array const pieces{page(state.rsi), page(state.gdt.value), page(std::uint32_t{params.hdr.cmd_line_ptr}),
                            MemoryRange{state.page_tables, 6 * hv::page_size}};
    for (auto const& piece : pieces) {
        CHECK(all_low_ram.contains(piece));
        CHECK(std::ranges::count_if(pieces, [&](auto const& other) { return other.overlaps(piece); }) == 1);
    }
}
