#include "vmm/helper/helpers.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace vmm::helper {

namespace {

constexpr int patience_ms = 30'000; ///< a machine may be busy

devices::net::BootFiles boot_files_of(NetOptions const& net)
{
    if (net.tftp.empty()) return {};
    std::error_code error;
    auto const folder = std::filesystem::canonical(net.tftp, error);
    if (error) throw UserError{"the folder '" + net.tftp + "' of tftp= cannot be opened: " + error.message()};
    if (!std::filesystem::is_directory(folder, error))
        throw UserError{"'" + net.tftp + "' of tftp= is no folder: name the one that the boot file is in"};
    return {.folder = folder.string(), .name = net.boot_file};
}

} // namespace

Policy policy_of(std::span<GuestOptions const> guests)
{
    Policy policy;
    for (std::uint32_t guest = 0; guest < guests.size(); ++guest) {
        auto const& options = guests[guest];
        for (std::uint32_t card = 0; card < options.nets.size(); ++card) {
            auto const& net = options.nets[card];
            if (net.tap.empty())
                policy.networks[{guest, card}] = {options.designation(), net.forwards, boot_files_of(net)};
        }
    }
    return policy;
}

FilePolicy file_policy_of(RunOptions const& options)
{
    using devices::FileAccess;
    FilePolicy policy;
    for (auto const& guest : options.guests) {
        policy.allow(guest.kernel, FileAccess::Read);
        policy.allow(guest.initrd, FileAccess::Read);
        policy.allow(guest.firmware.code, FileAccess::Read);
        policy.allow(guest.firmware.variables, FileAccess::Read);
        for (auto const& module : guest.modules)
            policy.allow(module.path, FileAccess::Read);
        for (auto const& disk : guest.disks) // others are opened by those that serve them
            if (disk.format() == devices::block::ImageFormat::Raw)
                policy.allow(disk.image, disk.read_only || disk.dvd ? FileAccess::Read : FileAccess::ReadWrite);
        for (auto const& net : guest.nets)
            if (!net.tap.empty()) policy.allow("/dev/net/tun", FileAccess::ReadWrite);
    }
    for (auto const& folder : options.jail.folders)
        if (folder != JailOptions::servers) policy.allow_folder(folder);
    return policy;
}

bool opens_files_confined(RunOptions const& options)
{
    return !options.control.empty() || std::ranges::any_of(options.guests, [](auto const& guest) {
        return !guest.disks.empty() || guest.on_reboot == OnReboot::Restart;
    });
}

Helpers::Helpers(Policy policy, char const* program)
{
    if (policy.networks.empty()) return;
    UniqueFd executable{::open(program, O_PATH | O_CLOEXEC)};
    if (!executable) throw std::system_error{errno, std::generic_category(), program};
    spawner_ = fork_helper(
        [&](UniqueFd socket) { run_spawner(std::move(socket), std::move(executable), std::move(policy)); });
}

Helpers::~Helpers() = default; // the spawner has nothing to finish

std::unique_ptr<devices::net::UserNetwork> Helpers::user_network(std::size_t guest, std::size_t card,
                                                                 devices::net::UserNetwork::Warn warn)
{
    Request const request{Wanted::UserNetwork, static_cast<std::uint32_t>(guest), static_cast<std::uint32_t>(card)};
    std::optional<Answer> answer;
    {
        std::lock_guard const lock{mutex_};
        if (send_request(spawner_.socket.get(), request)) answer = receive_answer(spawner_.socket.get(), patience_ms);
    }
    if (!answer) throw std::runtime_error{"the process that starts user-mode networks does not answer"};
    auto& [error, descriptors] = *answer;
    if (error != 0)
        throw std::runtime_error{"cannot start the process of a user-mode network: " + devices::os_error(error)};
    auto process = std::make_unique<ChildProcess>(std::move(descriptors[2]));
    return std::make_unique<devices::net::UserNetwork>(
        devices::net::LinkEnd{std::move(descriptors[0]), std::move(descriptors[1])}, std::move(process),
        std::move(warn));
}

} // namespace vmm::helper
