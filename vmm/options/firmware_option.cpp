#include "vmm/options/firmware_option.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace vmm {

namespace {

/// Of Debian's package ovmf.
constexpr std::string_view debians_code = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/// Debian's names for those that keep their variables by System Management Mode, and wait for ever where there is
/// none.
constexpr std::array needs_smm{std::string_view{".secboot."}, std::string_view{".ms."},
                               std::string_view{".snakeoil."}};

/// OVMF ends for want of memory with less.
constexpr std::uint64_t least_memory = std::uint64_t{128} << 20;

std::string template_of(std::string_view code)
{
    constexpr std::string_view of_code = "CODE";
    auto const name = code.rfind('/') + 1; // 0 where there is no folder
    auto const found = code.substr(name).rfind(of_code);
    if (found == std::string_view::npos) return {};
    std::string path{code};
    return path.replace(name + found, of_code.size(), "VARS");
}

/// Debian's name for a template with Microsoft's keys in it: OVMF_VARS_4M.ms.fd beside OVMF_VARS_4M.fd.
std::string with_keys(std::string path)
{
    auto const extension = path.find('.', path.rfind('/') + 1);
    return path.insert(std::min(extension, path.size()), ".ms");
}

std::optional<BootDevice> boot_device(std::string_view name)
{
    if (name == "disk") return BootDevice::Disk;
    if (name == "dvd") return BootDevice::Dvd;
    if (name == "net") return BootDevice::Net;
    return std::nullopt;
}

bool boots_from_network(GuestOptions const& guest)
{
    auto const indexed = [](NetOptions const& net) { return net.boot_index.has_value(); };
    return std::ranges::find(guest.boot, BootDevice::Net) != guest.boot.end() ||
           std::ranges::any_of(guest.nets, indexed);
}

/// Of its disks and network cards.
std::vector<unsigned> boot_indices(GuestOptions const& guest)
{
    std::vector<unsigned> indices;
    for (auto const& disk : guest.disks)
        if (disk.boot_index) indices.push_back(*disk.boot_index);
    for (auto const& net : guest.nets)
        if (net.boot_index) indices.push_back(*net.boot_index);
    std::ranges::sort(indices);
    return indices;
}

bool names_kernel(GuestOptions const& guest)
{
    return !guest.kernel.empty() || !guest.initrd.empty() || !guest.modules.empty() || !guest.cmdline.empty();
}

} // namespace

FirmwareOptions parse_firmware(std::string_view option, std::string_view text)
{
    if (text.empty()) throw UserError{std::string{option} + " needs a value: auto, or the path of a UEFI firmware"};
    auto const code = text == "auto" ? debians_code : text;
    auto const name = code.substr(code.rfind('/') + 1);
    if (std::ranges::any_of(needs_smm, [&](auto part) { return name.find(part) != std::string_view::npos; }))
        throw UserError{std::string{option} + ": '" + std::string{text} +
                        "' needs System Management Mode, which this machine has not: use OVMF_CODE_4M.fd"};
    return {std::string{code}, template_of(code)};
}

std::vector<BootDevice> parse_boot(std::string_view option, std::string_view text)
{
    std::vector<BootDevice> order;
    auto const refuse = [option](std::string_view item, char const* why) {
        auto message = std::string{option}.append(": '").append(item).append("' ").append(why);
        std::ranges::replace(message, '\n', ' ');
        throw UserError{message};
    };
    for (std::size_t begin = 0; begin <= text.size();) {
        auto const end = std::min(text.find(',', begin), text.size());
        auto const item = text.substr(begin, end - begin);
        auto const device = boot_device(item);
        if (!device) refuse(item, "is not known: use disk, dvd, net or several of them, e.g. dvd,disk");
        if (std::ranges::find(order, *device) != order.end()) refuse(item, "is there twice: leave one out");
        order.push_back(*device);
        begin = end + 1;
    }
    return order;
}

void choose_start(GuestOptions& guest)
{
    if (!names_kernel(guest) && !guest.starts_by_firmware() && (!guest.disks.empty() || boots_from_network(guest)))
        guest.firmware = parse_firmware("--firmware", "auto");
    if (guest.secure_boot && !guest.firmware.variables.empty())
        guest.firmware.variables = with_keys(std::move(guest.firmware.variables));
}

void check_start(GuestOptions const& guest)
{
    auto const refuse = [&guest](char const* why) {
        throw UserError{(guest.name.empty() ? "" : guest.designation() + ": ") + why};
    };
    if (guest.starts_by_firmware() && names_kernel(guest))
        refuse("a guest starts by its firmware, or by a kernel with its initrd, modules and command line: leave one "
               "out");
    if (!guest.nvram.empty() && !guest.starts_by_firmware())
        refuse("only a firmware has an NVRAM file: add the firmware, or leave the file out");
    auto const indices = boot_indices(guest);
    if ((!indices.empty() || !guest.boot.empty()) && !guest.starts_by_firmware())
        refuse("only a firmware has an order of what to boot: add the firmware, or leave boot and bootindex out");
    if (!indices.empty() && !guest.boot.empty()) refuse("boot and bootindex exclude each other: leave one out");
    if (std::ranges::adjacent_find(indices) != indices.end())
        refuse("two disks or network cards have the same bootindex: give each one of its own");
    if (boots_from_network(guest) && guest.nets.empty())
        refuse("a guest that boots from a network has a network card: add one, or leave net out of what it boots");
    if (guest.secure_boot && !guest.starts_by_firmware())
        refuse("only a firmware has Secure Boot: add the firmware, or leave Secure Boot out");
    if (guest.starts_by_firmware() && guest.memory < least_memory)
        refuse("a guest that starts by firmware has 128M of memory at least: give it more");
}

void settle_boot_order(GuestOptions& guest)
{
    unsigned next = 0;
    for (auto const device : guest.boot) {
        if (device == BootDevice::Net)
            for (auto& net : guest.nets)
                net.boot_index = next++;
        else
            for (auto& disk : guest.disks)
                if (disk.dvd == (device == BootDevice::Dvd)) disk.boot_index = next++;
    }
}

} // namespace vmm
