#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/boot/testing/kernels.hpp"

#include <random>

using namespace vmm;
using namespace vmm::testing;
using Catch::Matchers::Contains;

namespace {

BootState load(std::filesystem::path const& kernel, std::optional<std::filesystem::path> const& initrd = {})
{
    GuestRam const ram{64 * layout::mib};
    return load_kernel({kernel, initrd, "", hv::Gpa{0}}, ram.layout(), ram.memory());
}

/// Values that upset careless arithmetic.
std::uint64_t nasty_value(std::mt19937_64& random)
{
    switch (random() % 6) {
    case 0: return 0;
    case 1: return ~std::uint64_t{0} - random() % 64;
    case 2: return std::uint64_t{1} << random() % 64;
    case 3: return (std::uint64_t{1} << random() % 64) - 1;
    case 4: return random() % 0x4000;
    default: return random();
    }
}

/// Overwrites one to four places of the first KiB with nasty values, and sometimes cuts the file off.
Bytes mutated(Bytes file, std::mt19937_64& random)
{
    for (auto count = 1 + random() % 4; count > 0; --count) {
        auto const value = nasty_value(random);
        auto const size = std::size_t{1} << random() % 4;
        std::memcpy(file.data() + random() % (1024 - size), &value, size);
    }
    if (random() % 16 == 0) file.resize(1 + random() % file.size());
    return file;
}

Bytes make_multiboot_elf32()
{
    auto file = make_pvh_elf32();
    put_multiboot_header(file, 0x300, 0);
    return file;
}

} // namespace

TEST_CASE("a file that is no kernel is refused with the reason", "[boot]")
{
    CHECK_THROWS_WITH(load("/nonexistent/vmlinuz"), Contains("/nonexistent/vmlinuz") && Contains("No such file"));
    CHECK_THROWS_WITH(load("/tmp"), Contains("not a regular file"));
    CHECK_THROWS_WITH(load("/dev/null"), Contains("not a regular file"));
    CHECK_THROWS_WITH(load(ScratchFile{{}}.path()), Contains("is empty"));
    CHECK_THROWS_WITH(load(ScratchFile{pattern(1)}.path()), Contains("not a kernel"));
    CHECK_THROWS_WITH(load(ScratchFile{pattern(100'000)}.path()), Contains("not a kernel"));
}

TEST_CASE("a file that only has to be unpacked, or is for other firmware, is refused with what to do", "[boot]")
{
    auto const starting_with = [](std::string_view start) {
        Bytes file(512);
        std::memcpy(file.data(), start.data(), start.size());
        return file;
    };
    CHECK_THROWS_WITH(load(ScratchFile{starting_with("\x1F\x8B\x08")}.path()), Contains("gunzip"));
    CHECK_THROWS_WITH(load(ScratchFile{starting_with("\xFD\x37zXZ")}.path()), Contains("unxz"));
    CHECK_THROWS_WITH(load(ScratchFile{starting_with("\x28\xB5\x2F\xFD")}.path()), Contains("unzstd"));
    CHECK_THROWS_WITH(load(ScratchFile{starting_with("MZ")}.path()), Contains("EFI program"));
}

TEST_CASE("an initrd that cannot be read is refused with the reason", "[boot]")
{
    ScratchFile const kernel{make_bzimage()};
    CHECK_THROWS_WITH(load(kernel.path(), "/nonexistent/initrd"), Contains("initrd") && Contains("No such file"));
    CHECK_THROWS_WITH(load(kernel.path(), ScratchFile{{}}.path()), Contains("initrd") && Contains("is empty"));
}

TEST_CASE("a module that cannot be handed over is refused with the reason", "[boot]")
{
    auto const with_module = [](Bytes const& kernel, std::filesystem::path const& module) {
        GuestRam const ram{16 * layout::mib};
        ScratchFile const file{kernel};
        return load_kernel({file.path(), {}, "", hv::Gpa{0}, {{module, "x"}}}, ram.layout(), ram.memory());
    };
    ScratchFile const large{Bytes(16 * layout::mib)};
    CHECK_THROWS_WITH(with_module(make_multiboot_flat(), "/nonexistent/m"),
                      Contains("module '/nonexistent/m'") && Contains("No such file"));
    CHECK_THROWS_WITH(with_module(make_multiboot_flat(), large.path()),
                      Contains("module") && Contains("does not fit"));
    CHECK_THROWS_WITH(with_module(make_bzimage(), large.path()), Contains("no modules"));
}

TEST_CASE("a kernel with a spoilt header is loaded or refused, whatever it says", "[boot]")
{
    auto const original =
        GENERATE(make_bzimage(), make_pvh_elf64(), make_pvh_elf32(), make_multiboot_elf32(), make_multiboot_flat());
    GuestRam const ram{64 * layout::mib};
    ScratchFile const initrd{pattern(5000)};
    ScratchFile const file{original};
    std::mt19937_64 random{1};

    auto loaded = 0;
    auto refused = 0;
    for (auto i = 0; i < 4000; ++i) {
        file.replace(mutated(original, random));
        try {
            auto const state =
                load_kernel({file.path(), initrd.path(), "x", hv::Gpa{0xE'0000}}, ram.layout(), ram.memory());
            REQUIRE(ram.memory().at(state.entry, 1) != nullptr);
            ++loaded;
        } catch (UserError const& e) {
            REQUIRE(std::string{e.what()}.find('\n') == std::string::npos);
            ++refused;
        }
    }
    CHECK(loaded > 100);
    CHECK(refused > 100);
}
