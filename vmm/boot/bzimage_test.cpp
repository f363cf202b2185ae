#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/boot/testing/kernels.hpp"

#include <asm/bootparam.h>

using namespace vmm;
using namespace vmm::testing;
using Catch::Matchers::Contains;

namespace {

constexpr hv::Gpa rsdp{0xE'0000};

struct Loaded {
    explicit Loaded(Bytes const& kernel, std::uint64_t memory = 64 * layout::mib, Bytes const& initrd = {},
                    std::string cmdline = "console=ttyS0")
        : ram{memory}
    {
        ScratchFile const kernel_file{kernel};
        BootRequest request{kernel_file.path(), std::nullopt, std::move(cmdline), rsdp};
        std::optional<ScratchFile> initrd_file;
        if (!initrd.empty()) request.initrd = initrd_file.emplace(initrd).path();
        state = load_kernel(request, ram.layout(), ram.memory());
        params = ram.get<boot_params>(state.rsi);
    }

    [[nodiscard]] std::uint64_t initrd_address() const
    {
        return params.hdr.ramdisk_image | std::uint64_t{params.ext_ramdisk_image} << 32;
    }

    GuestRam ram;
    BootState state;
    boot_params params{};
};

template <typename T>
Bytes with(std::size_t offset, T value)
{
    auto file = make_bzimage();
    put(file, offset, value);
    return file;
}

} // namespace

TEST_CASE("a bzImage is loaded at its preferred address and entered in long mode", "[boot]")
{
    Loaded const guest{make_bzimage()};

    CHECK(guest.state.mode == BootState::Mode::long_mode);
    CHECK(guest.state.entry == hv::Gpa{bz::load_address + 0x200});
    CHECK(guest.ram.bytes(bz::load_address, bz::payload_size) == pattern(bz::payload_size));
}

TEST_CASE("a bzImage need not fill its last paragraph", "[boot]")
{
    auto kernel = make_bzimage();
    kernel.resize(kernel.size() - 15);
    CHECK(Loaded{kernel}.ram.bytes(bz::load_address, bz::payload_size - 15) == pattern(bz::payload_size - 15));

    kernel.resize(kernel.size() - 1);
    CHECK_THROWS_WITH(Loaded{kernel}, Contains("truncated"));
}

TEST_CASE("a bzImage without a 64-bit entry is entered in protected mode", "[boot]")
{
    auto const flags = GENERATE(std::uint16_t{0}, std::uint16_t{4}); // 4: an EFI handover entry, too
    Loaded const guest{with(bz::xloadflags, flags), 4 * layout::gib, pattern(0x3000)};

    CHECK(guest.state.mode == BootState::Mode::protected_mode);
    CHECK(guest.state.entry == hv::Gpa{bz::load_address});
    CHECK(guest.ram.text(std::uint32_t{guest.params.hdr.cmd_line_ptr}) == "console=ttyS0");
    CHECK(guest.initrd_address() == 2 * layout::gib - 0x3000); // initrd_addr_max
}

TEST_CASE("a bzImage whose protocol has no xloadflags yet is entered in protected mode", "[boot]")
{
    auto const version = GENERATE(std::uint16_t{0x020A}, std::uint16_t{0x020B}); // Linux 2.6.31 and 3.6
    auto kernel = with(bz::version, version);
    put(kernel, bz::header_length, static_cast<std::uint8_t>(version == 0x020A ? 0x62 : 0x66));
    Loaded const guest{kernel, 4 * layout::gib, pattern(0x3000)}; // which has bytes where xloadflags will be

    CHECK(guest.state.mode == BootState::Mode::protected_mode);
    CHECK(guest.state.entry == hv::Gpa{bz::load_address});
    CHECK(guest.initrd_address() == 2 * layout::gib - 0x3000);
}

TEST_CASE("boot_params tell the kernel what it needs", "[boot]")
{
    Loaded const guest{make_bzimage(), 4 * layout::gib};
    auto const& params = guest.params;

    CHECK(layout::low_ram.contains({hv::Gpa{guest.state.rsi}, sizeof params}));
    CHECK(params.hdr.type_of_loader == 0xFF);
    CHECK(std::uint32_t{params.hdr.header} == 0x5372'6448);
    CHECK(params.sentinel == 0);
    CHECK(std::uint64_t{params.acpi_rsdp_addr} == rsdp.value);
    CHECK(guest.ram.text(std::uint32_t{params.hdr.cmd_line_ptr}) == "console=ttyS0");
    CHECK(std::uint32_t{params.hdr.ramdisk_size} == 0);

    auto const map = guest.ram.layout().map();
    REQUIRE(params.e820_entries == map.size());
    for (std::size_t i = 0; i < map.size(); ++i) {
        auto const entry = params.e820_table[i];
        CHECK(std::uint64_t{entry.addr} == map[i].range.base.value);
        CHECK(std::uint64_t{entry.size} == map[i].range.size);
        CHECK(std::uint32_t{entry.type} == static_cast<std::uint32_t>(map[i].kind));
    }
}

TEST_CASE("an address that is not aligned is rounded up, one in the first MiB lifted out of it", "[boot]")
{
    CHECK(Loaded{with(bz::pref_address, std::uint64_t{0x100'1000})}.state.entry == hv::Gpa{0x120'0200});
    CHECK(Loaded{with(bz::pref_address, std::uint64_t{0})}.state.entry == hv::Gpa{0x20'0200});
}

TEST_CASE("an initrd goes as high as the kernel and its limits allow", "[boot]")
{
    auto const initrd = pattern(0x2801);

    Loaded const small{make_bzimage(), 64 * layout::mib, initrd};
    CHECK(small.initrd_address() == 64 * layout::mib - 0x3000);
    CHECK(std::uint32_t{small.params.hdr.ramdisk_size} == initrd.size());
    CHECK(small.ram.bytes(small.initrd_address(), initrd.size()) == initrd);

    Loaded const large{make_bzimage(), 4 * layout::gib, initrd};
    CHECK(large.initrd_address() == 2 * layout::gib - 0x3000); // initrd_addr_max

    auto const everywhere = with(bz::initrd_addr_max, std::uint32_t{0xFFFF'FFFF});
    CHECK(Loaded{everywhere, 4 * layout::gib, initrd}.initrd_address() == 3 * layout::gib - 0x3000);
}

TEST_CASE("an initrd goes above 4 GiB only where the kernel can find it", "[boot]")
{
    auto const initrd = pattern(0x3000);
    auto kernel = with(bz::initrd_addr_max, std::uint32_t{0x10'1FFF});

    Loaded const guest{kernel, 4 * layout::gib, initrd};
    CHECK(guest.initrd_address() == 5 * layout::gib - 0x3000);
    CHECK(guest.ram.bytes(guest.initrd_address(), initrd.size()) == initrd);

    put(kernel, bz::xloadflags, std::uint16_t{1});
    CHECK_THROWS_WITH(Loaded(kernel, 4 * layout::gib, initrd), Contains("does not fit"));
}

TEST_CASE("an initrd lies below a kernel that is at the top", "[boot]")
{
    auto const kernel = with(bz::pref_address, std::uint64_t{63 * layout::mib});
    auto aligned = kernel;
    put(aligned, bz::kernel_alignment, std::uint32_t{0x10'0000});

    CHECK(Loaded{aligned, 64 * layout::mib, pattern(0x1000)}.initrd_address() == 63 * layout::mib - 0x1000);
}

TEST_CASE("an initrd that fits nowhere is refused", "[boot]")
{
    CHECK_THROWS_WITH(Loaded(make_bzimage(), 18 * layout::mib, Bytes(16 * layout::mib)), Contains("does not fit"));
}

TEST_CASE("a command line of the kernel's limit is taken, a longer one is not", "[boot]")
{
    std::string const longest(2047, 'x');
    Loaded const guest{make_bzimage(), 64 * layout::mib, {}, longest};
    CHECK(guest.ram.text(std::uint32_t{guest.params.hdr.cmd_line_ptr}) == longest);

    CHECK_THROWS_WITH(Loaded(make_bzimage(), 64 * layout::mib, {}, longest + "x"), Contains("at most 2047"));

    auto const boundless = with(bz::cmdline_size, std::uint32_t{0xFFFF'FFFF});
    CHECK_THROWS_WITH(Loaded(boundless, 64 * layout::mib, {}, std::string(65536, 'x')), Contains("at most 65535"));
}

TEST_CASE("a bzImage that cannot be started is refused with the reason", "[boot]")
{
    CHECK_THROWS_WITH(Loaded{with(bz::version, std::uint16_t{0x0209})}, Contains("older than 2.10"));
    CHECK_THROWS_WITH(Loaded{with(bz::loadflags, std::uint8_t{0})}, Contains("zImage"));
    CHECK_THROWS_WITH(Loaded{with(bz::kernel_alignment, std::uint32_t{0})}, Contains("power of two"));
    CHECK_THROWS_WITH(Loaded{with(bz::kernel_alignment, std::uint32_t{0x30'0000})}, Contains("power of two"));
    CHECK_THROWS_WITH(Loaded{with(bz::header_length, std::uint8_t{0x20})}, Contains("impossible length"));
    CHECK_THROWS_WITH(Loaded{with(bz::header_length, std::uint8_t{0xFF})}, Contains("impossible length"));
    CHECK_THROWS_WITH(Loaded{with(bz::setup_sects, std::uint8_t{64})}, Contains("truncated"));
    CHECK_THROWS_WITH(Loaded{with(bz::syssize, std::uint32_t{0x1000'0000})}, Contains("truncated"));
    CHECK_THROWS_WITH(Loaded{with(bz::pref_address, ~std::uint64_t{0})}, Contains("no guest has RAM"));
    CHECK_THROWS_WITH(Loaded{with(bz::pref_address, 2 * layout::gib)}, Contains("more memory"));
    CHECK_THROWS_WITH(Loaded{with(bz::init_size, std::uint32_t{0x8000'0000})}, Contains("more memory"));
    CHECK_THROWS_WITH(Loaded(make_bzimage(), 16 * layout::mib), Contains("more memory"));
}

TEST_CASE("a bzImage cut off anywhere is refused", "[boot]")
{
    auto const whole = make_bzimage();
    auto const size = GENERATE(1U, 0x1F0U, 0x205U, 0x20FU, 0x210U, 0x26BU, 0x400U, 0x600U, 0x23F0U);
    CAPTURE(size);
    CHECK_THROWS_AS(Loaded(Bytes(whole.begin(), whole.begin() + size)), UserError);
}
