#include "vmm/options/option_values.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace vmm {

namespace {

constexpr std::uint64_t page_mask = 4095;

/// "--memory: 'x' is not a size: write e.g. 512M": `complaint` and `remedy` go where they read so.
[[noreturn]] void refuse(std::string_view option, std::string_view text, std::string_view complaint,
                         std::string_view remedy)
{
    std::string message;
    message.append(option).append(": '").append(text).append("' ").append(complaint).append(": ").append(remedy);
    std::replace(message.begin(), message.end(), '\n', ' ');
    throw UserError{message};
}

template <typename Number>
std::optional<Number> whole_number(std::string_view text)
{
    Number number{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

unsigned unit_shift(char unit)
{
    switch (unit) {
    case 'K':
    case 'k': return 10;
    case 'M':
    case 'm': return 20;
    case 'G':
    case 'g': return 30;
    case 'T':
    case 't': return 40;
    default: return 0;
    }
}

std::vector<std::string_view> split(std::string_view text)
{
    std::vector<std::string_view> items;
    for (;;) {
        auto const comma = text.find(',');
        items.push_back(text.substr(0, comma));
        if (comma == std::string_view::npos) return items;
        text.remove_prefix(comma + 1);
    }
}

/// What stands before the first single comma, in which a comma is written twice, and what stands behind it.
struct NameAndRest {
    std::string name{};
    std::optional<std::string_view> rest{};
};

NameAndRest split_name(std::string_view text)
{
    NameAndRest out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == ',') {
            if (at + 1 == text.size() || text[at + 1] != ',') {
                out.rest = text.substr(at + 1);
                break;
            }
            ++at;
        }
        out.name.push_back(text[at]);
    }
    return out;
}

std::string known_list(std::span<std::string_view const> known)
{
    std::string list{"use "};
    for (auto const name : known)
        list.append(name == known.front() ? "" : ", ").append(name);
    return list;
}

void require_known(std::string_view option, std::string_view name, std::span<std::string_view const> known)
{
    if (std::find(known.begin(), known.end(), name) == known.end())
        refuse(option, name, "is not known", known_list(known));
}

std::uint64_t parse_size(std::string_view option, std::string_view text)
{
    constexpr std::string_view example = "write e.g. 512M or 4G";
    auto const shift = text.empty() ? 0 : unit_shift(text.back());
    if (shift == 0) {
        bool const unit_only_missing = whole_number<std::uint64_t>(text).has_value();
        refuse(option, text, unit_only_missing ? "has no unit" : "is not a size", example);
    }

    auto const number = whole_number<std::uint64_t>(text.substr(0, text.size() - 1));
    if (!number) refuse(option, text, "is not a size", example);
    if (*number > std::numeric_limits<std::uint64_t>::max() >> shift)
        refuse(option, text, "is more than any machine has", example);
    return *number << shift;
}

devices::block::ImageFormat parse_format(std::string_view option, std::string_view item, std::string_view name,
                                         DiskOptions const& disk)
{
    if (disk.is_server()) refuse(option, item, "is nothing that a server is asked", "leave it out");
    auto const format = devices::block::format_named(name);
    if (!format) refuse(option, item, "is not known", "use raw, qcow2, vhdx, vpc (VHD) or vmdk");
    return *format;
}

} // namespace

std::uint64_t parse_memory(std::string_view option, std::string_view text)
{
    auto const bytes = parse_size(option, text);
    if (bytes < GuestOptions::min_memory) refuse(option, text, "is too little", "give the guest at least 16M");
    if ((bytes & page_mask) != 0) refuse(option, text, "is not a whole number of pages", "make it a multiple of 4K");
    return bytes;
}

void set_memory(std::string_view option, std::string_view text, GuestOptions& guest)
{
    constexpr std::string_view most = "max=";
    auto const [size, rest] = split_name(text);
    guest.memory = parse_memory(option, size);
    guest.most_memory = 0;
    if (!rest) return;
    if (!rest->starts_with(most)) refuse(option, *rest, "is not known", "use SIZE,max=SIZE");
    guest.most_memory = parse_memory(option, rest->substr(most.size()));
    if (guest.most_memory < guest.memory)
        refuse(option, *rest, "is less than the guest has at its start", "give at least " + size);
}

std::uint64_t parse_pool(std::string_view option, std::string_view text)
{
    auto const bytes = parse_size(option, text);
    if (bytes < GuestOptions::min_pool || bytes > GuestOptions::max_pool)
        refuse(option, text, "is not a possible pool", "give 16K to 64G");
    return bytes;
}

ChildrenOptions parse_children(std::string_view option, std::string_view text)
{
    ChildrenOptions children;
    auto const take = [&](std::string_view item) {
        auto const equals = std::min(item.find('='), item.size());
        auto const name = item.substr(0, equals);
        bool const partitions = name == "partitions";
        if (!partitions && name != "vps") refuse(option, item, "is not known", "use partitions=N,vps=N");
        auto const most = partitions ? ChildrenOptions::max_partitions : ChildrenOptions::max_vps;
        auto const number = equals == item.size() ? std::nullopt : whole_number<unsigned>(item.substr(equals + 1));
        if (!number || *number < 1 || *number > most)
            refuse(option, item, "is not a possible number", "use 1 to " + std::to_string(most));
        (partitions ? children.partitions : children.vps) = *number;
    };
    for (auto const item : split(text))
        take(item);
    if (children.partitions == 0 || children.vps == 0)
        refuse(option, text, "says too little", "use partitions=N,vps=N");
    return children;
}

SerialTarget parse_serial(std::string_view option, std::string_view text)
{
    constexpr std::string_view file = "file:";
    if (text == "stdio") return {};
    if (text == "lines") return {SerialTarget::Kind::Lines, {}};
    if (text == "pty") return {SerialTarget::Kind::Pty, {}};
    if (text == "none") return {SerialTarget::Kind::None, {}};
    if (text.starts_with(file) && text.size() > file.size())
        return {SerialTarget::Kind::File, std::string{text.substr(file.size())}};
    refuse(option, text, "is not a serial target", "use stdio, lines, pty, file:PATH or none");
}

DiskOptions parse_disk(std::string_view option, std::string_view text)
{
    constexpr std::string_view known =
        "after the image's name use ro, dvd, format=FORMAT, backing=FOLDER, bus=vmbus, "
        "controller=N, serial=TEXT or bootindex=N, and ',,' for a comma in the name";
    constexpr std::size_t longest_serial = 36;
    auto const [image, options] = split_name(text);
    DiskOptions disk{.image = image};
    if (disk.image.empty()) refuse(option, text, "names no image", "write e.g. disk.img or disk.img,ro");
    disk.dvd = disk.image.ends_with(".iso");

    for (auto const item : options ? split(*options) : std::vector<std::string_view>{}) {
        constexpr std::string_view controller = "controller=";
        constexpr std::string_view serial = "serial=";
        constexpr std::string_view bus = "bus=";
        constexpr std::string_view boot_index = "bootindex=";
        constexpr std::string_view format = "format=";
        constexpr std::string_view backing = "backing=";
        if (item == "ro") {
            disk.read_only = true;
        } else if (item == "dvd") {
            disk.dvd = true;
        } else if (item.starts_with(bus)) {
            if (item != "bus=vmbus") refuse(option, item, "is not known", "there is bus=vmbus");
        } else if (item.starts_with(format)) {
            disk.told_format = parse_format(option, item, item.substr(format.size()), disk);
        } else if (item.starts_with(backing)) {
            disk.backing = item.substr(backing.size());
            if (disk.backing.empty()) refuse(option, item, "names no folder", "write e.g. backing=/srv/bases");
        } else if (item.starts_with(controller)) {
            auto const number = whole_number<unsigned>(item.substr(controller.size()));
            if (!number || *number >= DiskOptions::max_controllers)
                refuse(option, item, "is no controller", "use controller=0 to controller=3");
            disk.controller = *number;
        } else if (item.starts_with(boot_index)) {
            disk.boot_index = whole_number<unsigned>(item.substr(boot_index.size()));
            if (!disk.boot_index || *disk.boot_index > DiskOptions::max_boot_index)
                refuse(option, item, "is no place in an order", "use bootindex=0, which is tried first, to 9999");
        } else if (item.starts_with(serial)) {
            disk.serial = item.substr(serial.size());
            bool const printable = std::ranges::all_of(disk.serial, [](char c) { return c > ' ' && c < 0x7F; });
            if (disk.serial.empty() || disk.serial.size() > longest_serial || !printable)
                refuse(option, item, "is no serial number", "use 1 to 36 letters, digits and signs");
        } else {
            refuse(option, item, "is not known", known);
        }
    }
    if (!disk.backing.empty() && disk.format() == devices::block::ImageFormat::Raw)
        refuse(option, text, "is raw, and has no backing file", "leave backing=FOLDER out, or add format=FORMAT");
    return disk;
}

void add_disk(std::string_view option, std::vector<DiskOptions>& disks, DiskOptions disk)
{
    auto const there = std::ranges::count(disks, disk.controller, &DiskOptions::controller);
    if (static_cast<std::size_t>(there) == DiskOptions::max_on_controller) {
        refuse(option, disk.image, "is one disk too many",
               "a controller has 64, so put ',controller=N' behind others, 0 to 3");
    }
    disks.push_back(std::move(disk));
}

ModuleOptions parse_module(std::string_view option, std::string_view text)
{
    auto const [path, command_line] = split_name(text);
    if (path.empty()) refuse(option, text, "names no file", "write e.g. initrd.img or 'program,its command line'");
    return {path, std::string{command_line.value_or("")}};
}

void add_module(std::string_view option, std::vector<ModuleOptions>& modules, ModuleOptions module)
{
    if (modules.size() == GuestOptions::max_modules) {
        refuse(option, module.path, "is one module too many",
               "a kernel is handed " + std::to_string(GuestOptions::max_modules) + " at most");
    }
    modules.push_back(std::move(module));
}

HypervMode parse_hyperv(std::string_view option, std::string_view text)
{
    if (text == "auto") return HypervMode::Auto;
    if (text == "user") return HypervMode::User;
    if (text == "hybrid") return HypervMode::Hybrid;
    refuse(option, text, "is not known", "use auto, user or hybrid");
}

OnReboot parse_on_reboot(std::string_view option, std::string_view text)
{
    if (text == "exit") return OnReboot::Exit;
    if (text == "restart") return OnReboot::Restart;
    refuse(option, text, "is not known", "use exit or restart");
}

OnTripleFault parse_on_triple_fault(std::string_view option, std::string_view text)
{
    if (text == "reset") return OnTripleFault::Reset;
    if (text == "end") return OnTripleFault::End;
    refuse(option, text, "is not known", "use reset or end");
}

OnCrash parse_on_crash(std::string_view option, std::string_view text)
{
    if (text == "continue") return OnCrash::Continue;
    if (text == "end") return OnCrash::End;
    refuse(option, text, "is not known", "use continue or end");
}

RtcTime parse_rtc(std::string_view option, std::string_view text)
{
    if (text == "utc") return RtcTime::Utc;
    if (text == "localtime") return RtcTime::Local;
    refuse(option, text, "is not known", "use utc or localtime");
}

std::string parse_vsock(std::string_view option, std::string_view text)
{
    if (!text.empty() && text.size() <= GuestOptions::longest_vsock) return std::string{text};
    refuse(option, text, "is not a possible path",
           "use one of 1 to " + std::to_string(GuestOptions::longest_vsock) +
               " bytes: a port's number goes behind it");
}

ReadySignal parse_ready(std::string_view option, std::string_view text)
{
    constexpr std::string_view serial = "serial:";
    if (text == "synic") return {ReadySignal::Kind::Synic, {}};
    if (!text.starts_with(serial) || text.size() == serial.size())
        refuse(option, text, "is not a ready signal", "use synic or serial:TEXT");
    auto const wanted = text.substr(serial.size());
    if (wanted.size() > ReadySignal::longest_text)
        refuse(option, text, "is too long", "wait for at most 256 bytes of text");
    return {ReadySignal::Kind::Text, std::string{wanted}};
}

std::string parse_log_level(std::string_view option, std::string_view text)
{
    constexpr std::array<std::string_view, 7> levels{"trace", "debug", "info", "warning", "error", "critical", "off"};
    require_known(option, text, levels);
    return std::string{text};
}

TraceOptions parse_trace(std::string_view option, std::string_view text)
{
    TraceOptions trace;
    if (auto const equals = text.find('='); equals != std::string_view::npos) {
        trace.file = text.substr(equals + 1);
        if (trace.file.empty()) refuse(option, text, "names no file", "write e.g. hypercall=trace.txt");
        text = text.substr(0, equals);
    }
    for (auto const item : split(text)) {
        if (item == "hypercall") {
            trace.hypercall = true;
        } else if (item == "msr") {
            trace.msr = true;
        } else if (item == "synic") {
            trace.synic = true;
        } else if (item == "irq") {
            trace.irq = true;
        } else {
            refuse(option, item, "is not known", "use hypercall, msr, synic, irq");
        }
    }
    return trace;
}

JailOptions parse_jail(std::string_view option, std::string_view text, JailOptions before)
{
    bool const all = text == "on" || text == "strict";
    before.privileges = before.seccomp = before.landlock = all;
    before.strict = text == "strict";
    if (all || text == "off") return before;
    for (auto const item : split(text)) {
        if (item == "privileges")
            before.privileges = true;
        else if (item == "seccomp")
            before.seccomp = true;
        else if (item == "landlock")
            before.landlock = true;
        else if (item == "strict")
            before.strict = true;
        else
            refuse(option, item, "is not known",
                   "use on, off, strict, or some of privileges, seccomp, landlock, strict");
    }
    return before;
}

std::vector<RightChange> parse_changes(std::string_view option, std::string_view text,
                                       std::span<std::string_view const> known)
{
    std::vector<RightChange> changes;
    for (auto item : split(text)) {
        bool const grant = !item.starts_with('-');
        if (item.starts_with('-') || item.starts_with('+')) item.remove_prefix(1);
        require_known(option, item, known);
        changes.push_back({grant, std::string{item}});
    }
    return changes;
}

} // namespace vmm
