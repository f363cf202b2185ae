/// The files that Porthole reads: kernels of each format, the configuration of `porthole run --config`, and UEFI
/// variables.
///
/// An input that begins with a byte below 0x80 is a configuration file as it stands. Any other is a kernel behind
/// that byte, which says how it is loaded: bits 1:0 the guest's memory (16 MiB, 64 MiB, 3 GiB, 5 GiB), bits 3:2 the
/// initrd (none, 1 byte, 64 KiB, as large as 16 MiB of memory), bits 5:4 the length of the command line (0, 7, 4095,
/// 65536), bit 6 whether there are modules. Behind a zero is a store of UEFI variables.
#include "hv/fuzz/input.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/boot/testing/guest.hpp"
#include "vmm/config/config_file.hpp"
#include "vmm/firmware/secure_boot.hpp"
#include "vmm/firmware/testing/images.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>

using namespace vmm;
using hv::fuzz::require;

namespace {

void require_one_line(UserError const& error)
{
    std::string_view const text{error.what()};
    require(!text.empty() && text.find('\n') == std::string_view::npos, "a complaint is one line");
}

void load(std::uint8_t how, std::span<std::uint8_t const> bytes)
{
    constexpr std::array<std::uint64_t, 4> memories{16 * layout::mib, 64 * layout::mib, 3 * layout::gib,
                                                    5 * layout::gib};
    constexpr std::array<std::size_t, 4> initrds{0, 1, 64 * layout::kib, 16 * layout::mib};
    constexpr std::array<std::size_t, 4> cmdlines{0, 7, 4095, 65536};
    static testing::Bytes const zeros(initrds.back());

    testing::GuestRam const ram{memories[how & 3U]};
    testing::ScratchFile const kernel{std::as_bytes(bytes)};
    testing::ScratchFile const initrd{std::span{zeros}.first(initrds[how >> 2 & 3U])};
    BootRequest request{kernel.path(), std::nullopt, std::string(cmdlines[how >> 4 & 3U], 'x'), hv::Gpa{0xE'0000}};
    if ((how >> 2 & 3U) != 0) request.initrd = initrd.path();
    if ((how & 0x40U) != 0) request.modules = {{initrd.path(), request.cmdline}, {kernel.path(), ""}};
    try {
        auto const state = load_kernel(request, ram.layout(), ram.memory());
        require(ram.memory().at(state.entry, 1) != nullptr, "a kernel is entered in RAM");
    } catch (UserError const& error) {
        require_one_line(error);
    }
}

void configure(std::string_view text)
{
    constexpr std::array<std::string_view, 2> privileges{"create-port", "connect-port"};
    constexpr std::array<std::string_view, 2> features{"synic", "stimer"};
    try {
        std::set<std::string> names;
        auto const guests = parse_config(text, "lab.toml", {privileges, features});
        require(!guests.empty(), "a configuration has a guest");
        for (auto const& guest : guests) {
            require(!guest.name.empty() && names.insert(guest.name).second, "names are unique");
            require(guest.memory >= GuestOptions::min_memory && guest.memory % hv::page_size == 0, "memory is pages");
            require(guest.cpus >= 1 && guest.cpus <= GuestOptions::max_cpus, "there are as many CPUs as can be");
            require(guest.pool >= GuestOptions::min_pool && guest.pool <= GuestOptions::max_pool,
                    "a pool has limits");
            require(guest.ready.text.size() <= ReadySignal::longest_text, "a ready text has a limit");
        }
        for (auto const& guest : guests) {
            require(guest.parent.empty() || names.contains(guest.parent), "a parent is there");
            for (auto const& other : guest.after)
                require(names.contains(other) && other != guest.name, "who is waited for is there");
        }
    } catch (UserError const& error) {
        require_one_line(error);
        require(std::string_view{error.what()}.starts_with("lab.toml:"), "a complaint says where");
    }
}

/// What a guest has left in its NVRAM file, behind the volume's header, which is one already.
void look_into_variables(std::span<std::uint8_t const> store)
{
    auto image = firmware::testing::bytes(firmware::testing::variables());
    auto const room = std::span{image}.subspan(firmware::testing::volume_header);
    std::ranges::copy(std::as_bytes(store.first(std::min(store.size(), room.size()))), room.begin());
    (void)firmware::switches_on_secure_boot(image);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    if (size != 0 && data[0] >= 0x80)
        load(data[0], std::span{data, size}.subspan(1));
    else if (size != 0 && data[0] == 0)
        look_into_variables(std::span{data, size}.subspan(1));
    else
        configure({reinterpret_cast<char const*>(data), size});
    return 0;
}
