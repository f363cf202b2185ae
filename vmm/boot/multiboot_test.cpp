#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/boot/testing/kernels.hpp"

using namespace vmm;
using namespace vmm::testing;
using Catch::Matchers::Contains;

namespace {

constexpr std::size_t elf_header_place = 0x300; // between the note and the segments
constexpr std::uint64_t map_entry_size = 24;

/// Flags of the information structure (Multiboot 0.6.96 §3.3).
constexpr std::uint32_t memory_given = 1U << 0, command_line_given = 1U << 2, modules_given = 1U << 3,
                        map_given = 1U << 6;

Bytes multiboot_elf(Bytes elf, std::uint32_t flags = 3)
{
    put_multiboot_header(elf, elf_header_place, flags);
    return elf;
}

struct Loaded {
    explicit Loaded(Bytes const& kernel, std::uint64_t memory = 64 * layout::mib, Bytes const& initrd = {},
                    std::string cmdline = "hello")
        : ram{memory}
    {
        ScratchFile const kernel_file{kernel};
        BootRequest request{kernel_file.path(), std::nullopt, std::move(cmdline), hv::Gpa{0xE'0000}};
        name = request.kernel.filename().string();
        std::optional<ScratchFile> initrd_file;
        if (!initrd.empty()) request.initrd = initrd_file.emplace(initrd).path();
        state = load_kernel(request, ram.layout(), ram.memory());
    }

    /// A field of the information structure (Multiboot 0.6.96 §3.3).
    [[nodiscard]] std::uint32_t info(std::size_t offset) const { return ram.get<std::uint32_t>(state.rbx + offset); }

    GuestRam ram;
    std::string name;
    BootState state;
};

template <typename T>
Bytes flat_with(std::size_t offset, T value)
{
    auto file = make_multiboot_flat();
    put(file, offset, value);
    return file;
}

} // namespace

TEST_CASE("a Multiboot ELF kernel is loaded by physical address and entered as the specification says", "[boot]")
{
    auto const elf = GENERATE(make_pvh_elf32(), make_pvh_elf64()); // which would do without the header, too
    Loaded const guest{multiboot_elf(elf)};

    CHECK(guest.state.mode == BootState::Mode::protected_mode);
    CHECK(guest.state.entry == hv::Gpa{elf::entry});
    CHECK(guest.state.rax == 0x2BAD'B002);
    CHECK(guest.ram.bytes(elf::text_address, elf::segment_size) == pattern(elf::segment_size));
    CHECK(guest.ram.bytes(elf::data_address, elf::segment_size) == pattern(elf::segment_size));
    CHECK(guest.ram.bytes(elf::data_address + elf::segment_size, 16) == Bytes(16));
}

TEST_CASE("the addresses in a Multiboot header say where any file goes", "[boot]")
{
    auto const file = make_multiboot_flat();
    Loaded const guest{file};

    CHECK(guest.state.entry == hv::Gpa{flat::entry});
    CHECK(guest.state.rax == 0x2BAD'B002);
    auto const loaded = Bytes(file.begin() + flat::skipped, file.end());
    CHECK(guest.ram.bytes(flat::load, loaded.size()) == loaded);
    CHECK(guest.ram.bytes(flat::load + loaded.size(), 16) == Bytes(16));
}

TEST_CASE("a load end of zero means the whole file, a BSS end of zero no BSS", "[boot]")
{
    auto file = flat_with(flat::load_end, std::uint32_t{0});
    put(file, flat::bss_end, std::uint32_t{0});
    Loaded const guest{file};

    auto const loaded = Bytes(file.begin() + flat::skipped, file.end());
    CHECK(guest.ram.bytes(flat::load, loaded.size()) == loaded);
}

TEST_CASE("addresses win over an ELF header", "[boot]")
{
    auto file = multiboot_elf(make_pvh_elf32(), 0x1'0000);
    put(file, elf_header_place + 12,
        std::array<std::uint32_t, 5>{0x50'0000 + elf_header_place, 0x50'0000, 0, 0, 0x50'0004});
    Loaded const guest{file};

    CHECK(guest.state.entry == hv::Gpa{0x50'0004});
    CHECK(guest.ram.bytes(0x50'0000, file.size()) == file);
}

TEST_CASE("the information structure tells a Multiboot kernel what it needs", "[boot]")
{
    Loaded const guest{make_multiboot_flat(), 4 * layout::gib};

    auto const needed = memory_given | command_line_given | map_given;
    CHECK((guest.info(0) & needed) == needed);
    CHECK(guest.info(4) == 639); // without the extended BIOS data area
    CHECK(guest.info(8) == (3 * layout::gib - layout::mib) / layout::kib);
    CHECK(guest.ram.text(guest.info(16)) == guest.name + " hello");
    CHECK(guest.info(20) == 0); // no modules
    CHECK(guest.ram.text(guest.info(64)) == "Porthole");

    auto const map = guest.ram.layout().map();
    REQUIRE(guest.info(44) == map.size() * map_entry_size);
    for (std::size_t i = 0; i < map.size(); ++i) {
        auto const entry = guest.info(48) + i * map_entry_size;
        CHECK(guest.ram.get<std::uint32_t>(entry) == map_entry_size - 4);
        CHECK(guest.ram.get<std::uint64_t>(entry + 4) == map[i].range.base.value);
        CHECK(guest.ram.get<std::uint64_t>(entry + 12) == map[i].range.size);
        CHECK(guest.ram.get<std::uint32_t>(entry + 20) == static_cast<std::uint32_t>(map[i].kind));
    }
}

TEST_CASE("an initrd becomes a page-aligned module below 4 GiB", "[boot]")
{
    auto const initrd = pattern(0x1234);
    Loaded const guest{make_multiboot_flat(), 4 * layout::gib, initrd};

    CHECK((guest.info(0) & modules_given) != 0);
    REQUIRE(guest.info(20) == 1);
    auto const start = guest.ram.get<std::uint32_t>(guest.info(24));
    CHECK(start == 3 * layout::gib - 0x2000);
    CHECK(guest.ram.get<std::uint32_t>(guest.info(24) + 4) == start + initrd.size());
    CHECK(guest.ram.bytes(start, initrd.size()) == initrd);
}

TEST_CASE("modules follow the initrd, each with its name and its command line", "[boot]")
{
    auto const one = pattern(0x1234);
    auto const two = pattern(0x10);
    ScratchFile const kernel{make_multiboot_flat()};
    ScratchFile const initrd{one};
    ScratchFile const module{two};
    GuestRam const ram{64 * layout::mib};
    BootRequest request{kernel.path(), initrd.path(), "", hv::Gpa{0xE'0000}, {{module.path(), "root=x, y"}}};
    request.modules.push_back({initrd.path(), ""});
    auto const state = load_kernel(request, ram.layout(), ram.memory());

    auto const info = [&](std::size_t offset) { return ram.get<std::uint32_t>(state.rbx + offset); };
    REQUIRE(info(20) == 3);
    auto const entry = [&](unsigned index, std::size_t field) {
        return ram.get<std::uint32_t>(info(24) + index * 16 + field);
    };
    auto const contents = std::array{one, two, one};
    auto const texts = std::array{initrd.path().filename().string(), module.path().filename().string() + " root=x, y",
                                  initrd.path().filename().string()};
    for (unsigned i = 0; i < 3; ++i) {
        CHECK(entry(i, 0) % 4096 == 0);
        REQUIRE(entry(i, 4) - entry(i, 0) == contents.at(i).size());
        CHECK(ram.bytes(entry(i, 0), contents.at(i).size()) == contents.at(i));
        CHECK(ram.text(entry(i, 8)) == texts.at(i));
    }
}

TEST_CASE("a Multiboot header counts in the first 8192 bytes only, aligned and with a sum of zero", "[boot]")
{
    auto const with_header_at = [](std::size_t offset) {
        Bytes file(0x4000);
        put_multiboot_header(file, offset, 0x1'0000);
        auto const at = static_cast<std::uint32_t>(0x40'0000 + offset);
        put(file, offset + 12, std::array<std::uint32_t, 5>{at, 0x40'0000, 0, 0, 0x40'0000});
        return file;
    };
    CHECK(Loaded{with_header_at(0)}.state.entry == hv::Gpa{0x40'0000});
    CHECK(Loaded{with_header_at(8192 - 32)}.state.entry == hv::Gpa{0x40'0000});
    CHECK_THROWS_WITH(Loaded{with_header_at(8192 - 28)}, Contains("cut off"));
    CHECK_THROWS_WITH(Loaded{with_header_at(8192 - 8)}, Contains("not a kernel"));
    CHECK_THROWS_WITH(Loaded{with_header_at(0x102)}, Contains("not a kernel"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::header + 8, std::uint32_t{1})}, Contains("not a kernel"));
}

TEST_CASE("a Multiboot kernel that asks for what there is not is refused", "[boot]")
{
    auto const flag = GENERATE(2U, 3U, 15U); // 2: a video mode
    CHECK_THROWS_WITH(Loaded{multiboot_elf(make_pvh_elf32(), 1U << flag)}, Contains("video mode"));
    CHECK_NOTHROW(Loaded{multiboot_elf(make_pvh_elf32(), 1U << 17)}); // what need not be understood
}

TEST_CASE("a Multiboot kernel that is no ELF file must say where it goes", "[boot]")
{
    auto file = pattern(0x3000);
    put_multiboot_header(file, 0x100, 3);
    CHECK_THROWS_WITH(Loaded{file}, Contains("no ELF file"));
}

TEST_CASE("a Multiboot kernel whose addresses are nonsense is refused with the reason", "[boot]")
{
    CHECK_THROWS_WITH(Loaded{flat_with(flat::header_address, flat::load - 4)}, Contains("not where it says"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::header_address, flat::load + 0x10'0000)}, Contains("not where it says"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::load_end, flat::load - 1)}, Contains("contradict"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::load_end, flat::load)}, Contains("contradict"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::bss_end, flat::load + 0x10)}, Contains("contradict"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::load_end, flat::load + 0x5000)}, Contains("truncated"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::entry_address, flat::load - 1)}, Contains("entry outside"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::entry_address, flat::load + 0x4000)}, Contains("entry outside"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::bss_end, 0x8000'0000U)}, Contains("more memory"));
    CHECK_THROWS_WITH(Loaded{flat_with(flat::bss_end, 0xFFFF'FFFFU)}, Contains("no guest has RAM"));

    auto low = make_multiboot_flat();
    put(low, flat::addresses, std::array<std::uint32_t, 5>{flat::header + 0x9'F000, 0x9'F000, 0, 0, 0x9'F000});
    CHECK_THROWS_WITH(Loaded{low}, Contains("a PC has its BIOS"));
    low = make_multiboot_flat();
    put(low, flat::addresses, std::array<std::uint32_t, 5>{flat::header + 0xE'0000, 0xE'0000, 0, 0, 0xE'0000});
    CHECK_THROWS_WITH(Loaded{low}, Contains("a PC has its BIOS"));
}

TEST_CASE("a Multiboot ELF kernel whose entry is not loaded is refused", "[boot]")
{
    constexpr std::size_t e_entry = 24; // of either class
    auto elf = multiboot_elf(make_pvh_elf32());
    put(elf, e_entry, std::uint32_t{0x10});
    CHECK_THROWS_WITH(Loaded{elf}, Contains("entry outside"));

    auto high = multiboot_elf(make_pvh_elf64());
    auto const address = elf::program_header + elf::p_paddr;
    put(high, address, std::uint64_t{4 * layout::gib});
    CHECK_THROWS_WITH(Loaded(high, 5 * layout::gib), Contains("above 4 GiB"));
}

TEST_CASE("a Multiboot kernel's command line has its limit", "[boot]")
{
    CHECK_THROWS_WITH(Loaded(make_multiboot_flat(), 64 * layout::mib, {}, std::string(0x1'0000, 'x')),
                      Contains("too long"));
}
