#include "vmm/helper/image_policy.hpp"

#include "vmm/helper/image_files.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace vmm::helper {

namespace {

bool is_named(DiskOptions const& disk, devices::block::ImageRequest const& request)
{
    bool const may_write = !disk.read_only && !disk.dvd;
    return disk.image == request.image && disk.format() == request.format &&
           disk.told_format.has_value() == request.told && (may_write || request.read_only) &&
           (request.backing.empty() || disk.backing == request.backing);
}

} // namespace

ImagePolicy::ImagePolicy(RunOptions const& options) : everything_{!options.jail.seccomp && !options.jail.landlock}
{
    for (auto const& guest : options.guests)
        disks_.insert(disks_.end(), guest.disks.begin(), guest.disks.end());
    for (auto const& folder : options.jail.folders)
        if (folder != JailOptions::servers) folders_.push_back(std::filesystem::canonical(folder).string());
}

bool ImagePolicy::allows(devices::block::ImageRequest const& request) const
{
    if (request.format == devices::block::ImageFormat::Raw) return false;
    if (everything_ || std::ranges::any_of(disks_, [&](auto const& disk) { return is_named(disk, request); }))
        return true;
    auto const is_allowed = [&](std::string const& path) {
        std::error_code error;
        auto const real = std::filesystem::weakly_canonical(path, error).string();
        return !error && std::ranges::any_of(folders_, [&](auto const& folder) { return is_within(folder, real); });
    };
    return is_allowed(request.image) && (request.backing.empty() || is_allowed(request.backing));
}

} // namespace vmm::helper
