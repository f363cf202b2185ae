#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/boot/testing/kernels.hpp"

using namespace vmm;
using namespace vmm::testing;
using Catch::Matchers::Contains;

namespace {

constexpr hv::Gpa rsdp{0xE'0000};

struct Loaded {
    explicit Loaded(Bytes const& kernel, std::uint64_t memory = 64 * layout::mib, Bytes const& initrd = {},
                    std::string cmdline = "hello")
        : ram{memory}
    {
        ScratchFile const kernel_file{kernel};
        BootRequest request{kernel_file.path(), std::nullopt, std::move(cmdline), rsdp};
        std::optional<ScratchFile> initrd_file;
        if (!initrd.empty()) request.initrd = initrd_file.emplace(initrd).path();
        state = load_kernel(request, ram.layout(), ram.memory());
    }

    /// A field of hvm_start_info (Xen public/arch-x86/hvm/start_info.h).
    template <typename T>
    [[nodiscard]] T info(std::size_t offset) const
    {
        return ram.get<T>(state.rbx + offset);
    }

    GuestRam ram;
    BootState state;
};

template <typename T>
Bytes with(std::size_t offset, T value)
{
    auto file = make_pvh_elf64();
    put(file, offset, value);
    return file;
}

constexpr std::size_t second_header = elf::program_header + elf::program_header_size;
constexpr std::size_t note_header = second_header + elf::program_header_size;

} // namespace

TEST_CASE("an ELF kernel of either class is loaded by physical address and entered in protected mode", "[boot]")
{
    auto const kernel = GENERATE(make_pvh_elf64(), make_pvh_elf32());
    Loaded const guest{kernel};

    CHECK(guest.state.mode == BootState::Mode::protected_mode);
    CHECK(guest.state.entry == hv::Gpa{elf::entry});
    CHECK(guest.ram.bytes(elf::text_address, elf::segment_size) == pattern(elf::segment_size));
    CHECK(guest.ram.bytes(elf::data_address, elf::segment_size) == pattern(elf::segment_size));
    CHECK(guest.ram.bytes(elf::data_address + elf::segment_size, 16) == Bytes(16));
}

TEST_CASE("hvm_start_info tells the kernel what it needs", "[boot]")
{
    Loaded const guest{make_pvh_elf64(), 4 * layout::gib};

    CHECK(guest.info<std::uint32_t>(0) == 0x336E'C578);
    CHECK(guest.info<std::uint32_t>(4) == 1);
    CHECK(guest.info<std::uint32_t>(8) == 0);
    CHECK(guest.info<std::uint32_t>(12) == 0); // no modules
    CHECK(guest.ram.text(guest.info<std::uint64_t>(24)) == "hello");
    CHECK(guest.info<std::uint64_t>(32) == rsdp.value);

    auto const map = guest.ram.layout().map();
    auto const table = guest.info<std::uint64_t>(40);
    REQUIRE(guest.info<std::uint32_t>(48) == map.size());
    for (std::size_t i = 0; i < map.size(); ++i) {
        CHECK(guest.ram.get<std::uint64_t>(table + 24 * i) == map[i].range.base.value);
        CHECK(guest.ram.get<std::uint64_t>(table + 24 * i + 8) == map[i].range.size);
        CHECK(guest.ram.get<std::uint32_t>(table + 24 * i + 16) == static_cast<std::uint32_t>(map[i].kind));
    }
}

TEST_CASE("an initrd becomes the first module, below 4 GiB", "[boot]")
{
    auto const initrd = pattern(0x1234);
    Loaded const guest{make_pvh_elf64(), 4 * layout::gib, initrd};

    REQUIRE(guest.info<std::uint32_t>(12) == 1);
    auto const module = guest.info<std::uint64_t>(16);
    auto const address = guest.ram.get<std::uint64_t>(module);
    CHECK(address == 3 * layout::gib - 0x2000);
    CHECK(guest.ram.get<std::uint64_t>(module + 8) == initrd.size());
    CHECK(guest.ram.bytes(address, initrd.size()) == initrd);
}

TEST_CASE("modules follow the initrd, each with its command line", "[boot]")
{
    auto const content = pattern(0x1234);
    ScratchFile const kernel{make_pvh_elf64()};
    ScratchFile const file{content};
    GuestRam const ram{64 * layout::mib};
    BootRequest const request{kernel.path(), file.path(), "", rsdp, {{file.path(), ""}, {file.path(), "root=x, y"}}};
    auto const state = load_kernel(request, ram.layout(), ram.memory());

    REQUIRE(ram.get<std::uint32_t>(state.rbx + 12) == 3);
    auto const modules = ram.get<std::uint64_t>(state.rbx + 16);
    for (unsigned i = 0; i < 3; ++i) {
        auto const address = ram.get<std::uint64_t>(modules + i * 32);
        CHECK(ram.get<std::uint64_t>(modules + i * 32 + 8) == content.size());
        CHECK(ram.bytes(address, content.size()) == content);
    }
    CHECK(ram.get<std::uint64_t>(modules + 16) == 0);
    CHECK(ram.get<std::uint64_t>(modules + 32 + 16) == 0);
    CHECK(ram.text(ram.get<std::uint64_t>(modules + 64 + 16)) == "root=x, y");
}

TEST_CASE("other notes before the entry are passed over", "[boot]")
{
    auto kernel = make_pvh_elf64();
    auto const entry_note = Bytes(kernel.begin() + elf::note, kernel.begin() + elf::note + 24);
    put(kernel, elf::note, std::array<std::uint32_t, 3>{5, 3, 18}); // of another owner, to be padded twice
    put(kernel, elf::note + 12, std::array{'O', 't', 'h', 'e', '\0', '\0', '\0', '\0', 'a', 'b', 'c', '\0'});
    std::copy(entry_note.begin(), entry_note.end(), kernel.begin() + elf::note + 24);
    put(kernel, note_header + elf::p_filesz, std::uint64_t{48});

    CHECK(Loaded{kernel}.state.entry == hv::Gpa{elf::entry});
}

TEST_CASE("an ELF file that cannot be started is refused with the reason", "[boot]")
{
    CHECK_THROWS_WITH(Loaded{with(elf::machine, std::uint16_t{183})}, Contains("another processor"));
    CHECK_THROWS_WITH(Loaded{with(4, std::uint8_t{3})}, Contains("malformed")); // its class
    CHECK_THROWS_WITH(Loaded{with(16, std::uint16_t{1})}, Contains("not an executable"));
    CHECK_THROWS_WITH(Loaded{with(elf::phnum, std::uint16_t{0xFFFF})}, Contains("malformed"));
    CHECK_THROWS_WITH(Loaded{with(elf::phoff, ~std::uint64_t{0})}, Contains("truncated"));
    CHECK_THROWS_WITH(Loaded{with(elf::phnum, std::uint16_t{2})}, Contains("without a PVH note"));
    CHECK_THROWS_WITH(Loaded{with(elf::note, std::uint32_t{0xFFFF'FFFF})}, Contains("without a PVH note"));
    CHECK_THROWS_WITH(Loaded{with(elf::note + 4, std::uint32_t{0xFFFF'FFFF})}, Contains("without a PVH note"));
    CHECK_THROWS_WITH(Loaded{with(elf::note_entry, std::uint64_t{0x10})}, Contains("PVH entry outside"));
    CHECK_THROWS_WITH(Loaded{with(elf::note_entry, ~std::uint64_t{0})}, Contains("PVH entry outside"));
    CHECK_THROWS_WITH(Loaded(make_pvh_elf64(), 64 * layout::mib, {}, std::string(2048, 'x')), Contains("too long"));
}

TEST_CASE("a segment that lies where it must not is refused", "[boot]")
{
    auto const offset = elf::program_header + elf::p_offset;
    auto const address = second_header + elf::p_paddr;
    auto const file_size = second_header + elf::p_filesz;
    auto const memory_size = second_header + elf::p_memsz;

    CHECK_THROWS_WITH(Loaded{with(offset, ~std::uint64_t{0} - 16)}, Contains("truncated"));
    CHECK_THROWS_WITH(Loaded{with(file_size, ~std::uint64_t{0})}, Contains("truncated"));
    CHECK_THROWS_WITH(Loaded{with(memory_size, std::uint64_t{1})}, Contains("larger than its memory"));
    CHECK_THROWS_WITH(Loaded{with(memory_size, ~std::uint64_t{0})}, Contains("beyond all memory"));
    CHECK_THROWS_WITH(Loaded{with(address, ~std::uint64_t{0})}, Contains("beyond all memory"));
    CHECK_THROWS_WITH(Loaded{with(address, 64 * layout::mib - 16)}, Contains("more memory"));
    CHECK_THROWS_WITH(Loaded{with(address, 3 * layout::gib)}, Contains("no guest has RAM"));
    CHECK_THROWS_WITH(Loaded{with(address, std::uint64_t{0xE'0000})}, Contains("a PC has its BIOS"));
    CHECK_THROWS_WITH(Loaded{with(address, elf::text_address + 0x1000)}, Contains("overlaps a segment"));
}
