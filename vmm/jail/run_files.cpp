#include "vmm/jail/run_files.hpp"

#include "devices/block/nbd_backend.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace vmm::jail {

namespace {

/// Calls `rule`, unless what it is about does not exist.
template <typename Rule>
void if_there(Rule rule)
{
    try {
        rule();
    } catch (std::system_error const& error) {
        auto const code = error.code();
        if (code != std::errc::no_such_file_or_directory && code != std::errc::not_a_directory &&
            code != std::errc::permission_denied)
            throw;
    }
}

std::string folder_of(std::string const& path)
{
    auto folder = std::filesystem::path{path}.parent_path().string();
    return folder.empty() ? "." : folder;
}

/// What the C library looks names up by, and GnuTLS its certificates: also of disks that are added later.
void allow_servers(Landlock& rules)
{
    constexpr std::array folders{"/etc", "/run/systemd/resolve", "/usr/share/ca-certificates", "/usr/lib/ssl"};
    for (auto const* const folder : folders)
        if_there([&] { rules.allow_read(folder); });
    if (auto const* const home = std::getenv("HOME"))
        if_there([&] { rules.allow_read(std::string{home} + "/.pki"); });
}

/// Of the servers that the options name, and of name servers, whose longer answers come by TCP.
void allow_ports(Landlock& rules, RunOptions const& options)
{
    constexpr std::uint16_t domain = 53;
    for (auto const& guest : options.guests) {
        for (auto const& disk : guest.disks) {
            auto const port = server_port(disk.image);
            if (port) rules.allow_connect(*port).allow_connect(domain);
        }
    }
}

/// What a file may be found by when it is opened again: a device by itself, another file by its folder, since whoever
/// gives a guest a new kernel replaces the old one.
std::string place_of(std::string const& path)
{
    std::error_code error;
    auto const real = std::filesystem::weakly_canonical(path, error);
    if (error) return path;
    bool const is_device = std::filesystem::exists(real, error) && !std::filesystem::is_regular_file(real, error);
    return is_device ? real.string() : folder_of(real.string());
}

bool is_served(DiskOptions const& disk)
{
    return disk.format() != devices::block::ImageFormat::Raw;
}

void allow_files(Landlock& rules, GuestOptions const& guest)
{
    auto const read = [&](std::string const& path) {
        if (!path.empty()) if_there([&] { rules.allow_read(place_of(path)); });
    };
    read(guest.kernel);
    read(guest.initrd);
    read(guest.firmware.code);
    read(guest.firmware.variables);
    for (auto const& module : guest.modules)
        read(module.path);
    for (auto const& disk : guest.disks) {
        if (devices::block::NbdBackend::is_uri(disk.image) || is_served(disk)) continue;
        if_there([&] { rules.allow_disk(place_of(disk.image), disk.read_only || disk.dvd); });
    }
}

/// Whether commands may add disks on any server.
bool allows_any_server(RunOptions const& options)
{
    return std::ranges::find(options.jail.folders, JailOptions::servers) != options.jail.folders.end();
}

template <typename Predicate>
bool any_card(RunOptions const& options, Predicate predicate)
{
    return std::ranges::any_of(options.guests,
                               [&](auto const& guest) { return std::ranges::any_of(guest.nets, predicate); });
}

/// Adds the descriptor that a path stands for.
void add_descriptor(std::vector<int>& out, std::string_view path)
{
    for (auto const prefix : {std::string_view{"/dev/fd/"}, std::string_view{"/proc/self/fd/"}}) {
        if (!path.starts_with(prefix)) continue;
        int fd = -1;
        auto const digits = path.substr(prefix.size());
        auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
        if (error == std::errc{} && fd >= 0) out.push_back(fd);
    }
}

} // namespace

Landlock rules_for(RunOptions const& options)
{
    bool const any_server = allows_any_server(options);
    // Signals between the threads of a process are a scope to some kernels: none is asked for.
    Landlock rules{{.tcp = !any_server, .scopes = false}};
    if (!any_server) allow_ports(rules, options);
    for (auto const& guest : options.guests)
        if (!guest.vsock.empty()) if_there([&] { rules.allow_sockets(folder_of(guest.vsock)); });
    for (auto const& guest : options.guests)
        if (!guest.display.path.empty()) if_there([&] { rules.allow_sockets(folder_of(guest.display.path)); });
    if (!options.control.empty()) if_there([&] { rules.allow_sockets(folder_of(options.control)); });
    if (has_servers(options)) allow_servers(rules);
    return rules;
}

Landlock file_rules_for(RunOptions const& options)
{
    Landlock rules;
    for (auto const& guest : options.guests)
        allow_files(rules, guest);
    if (has_tap(options)) if_there([&] { rules.allow_device("/dev/net/tun"); });
    for (auto const& folder : options.jail.folders)
        if (folder != JailOptions::servers) rules.allow_disk(folder, false);
    return rules;
}

bool has_servers(RunOptions const& options)
{
    return allows_any_server(options) || std::ranges::any_of(options.guests, [](auto const& guest) {
               return std::ranges::any_of(
                   guest.disks, [](auto const& disk) { return devices::block::NbdBackend::is_uri(disk.image); });
           });
}

bool has_served_images(RunOptions const& options)
{
    auto const& jail = options.jail;
    bool const any_file = !jail.seccomp && !jail.landlock;
    bool const may_be_added =
        !options.control.empty() && (any_file || std::ranges::any_of(jail.folders, [](auto const& folder) {
                                         return folder != JailOptions::servers;
                                     }));
    return may_be_added || std::ranges::any_of(options.guests, [](auto const& guest) {
               return std::ranges::any_of(guest.disks, is_served);
           });
}

std::optional<std::uint16_t> server_port(std::string_view uri)
{
    constexpr std::uint16_t nbd = 10809; // IANA
    if (!devices::block::NbdBackend::is_uri(uri)) return std::nullopt;
    auto const scheme = uri.substr(0, uri.find("://"));
    if (scheme.find('+') != std::string_view::npos) return std::nullopt;
    auto authority = uri.substr(std::min(scheme.size() + 3, uri.size()));
    authority = authority.substr(0, authority.find_first_of("/?"));
    if (auto const user = authority.rfind('@'); user != std::string_view::npos) authority.remove_prefix(user + 1);
    auto const colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
    if (colon == std::string_view::npos || colon + 1 == authority.size()) return nbd;
    std::uint16_t port = 0;
    auto const* const end = authority.data() + authority.size();
    auto const [stopped, error] = std::from_chars(authority.data() + colon + 1, end, port);
    return error == std::errc{} && stopped == end ? std::optional{port} : std::nullopt;
}

bool has_user_network(RunOptions const& options)
{
    return any_card(options, [](auto const& net) { return net.tap.empty(); });
}

bool has_tap(RunOptions const& options)
{
    return any_card(options, [](auto const& net) { return !net.tap.empty(); });
}

bool has_vnc(RunOptions const& options)
{
    return std::ranges::any_of(options.guests, [](auto const& guest) { return guest.display.is_vnc(); });
}

bool has_vnc_password(RunOptions const& options)
{
    return std::ranges::any_of(options.guests,
                               [](auto const& guest) { return !guest.display.password_file.empty(); });
}

std::vector<int> named_descriptors(RunOptions const& options)
{
    std::vector<int> kept{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    add_descriptor(kept, options.log_file);
    add_descriptor(kept, options.trace.file);
    for (auto const& guest : options.guests) {
        for (auto const* const path : {&guest.kernel, &guest.initrd, &guest.firmware.code, &guest.firmware.variables,
                                       &guest.nvram, &guest.serial.path})
            add_descriptor(kept, *path);
        for (auto const& module : guest.modules)
            add_descriptor(kept, module.path);
        for (auto const& disk : guest.disks)
            add_descriptor(kept, disk.image);
    }
    return kept;
}

} // namespace vmm::jail
