#include "vmm/jail/added_disks.hpp"

#include "devices/block/nbd_backend.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/jail/run_files.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

namespace vmm::jail {

namespace {

using std::filesystem::path;

path resolved(std::string const& name)
{
    std::error_code ignored;
    auto out = std::filesystem::weakly_canonical(name, ignored);
    return ignored ? path{name} : out;
}

bool is_below(path const& folder, path const& file)
{
    return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first == folder.end();
}

bool is_given(RunOptions const& options, DiskOptions const& wanted)
{
    return std::ranges::any_of(options.guests, [&](auto const& guest) {
        return std::ranges::any_of(guest.disks, [&](auto const& disk) {
            bool const may_write = !disk.read_only && !disk.dvd;
            return disk.image == wanted.image && disk.format() == wanted.format() &&
                   (wanted.backing.empty() || wanted.backing == disk.backing) &&
                   (may_write || wanted.read_only || wanted.dvd);
        });
    });
}

} // namespace

void permit(RunOptions const& options, DiskOptions const& disk)
{
    auto const& layers = options.jail;
    bool const server = devices::block::NbdBackend::is_uri(disk.image);
    bool const files_are_held = layers.seccomp || layers.landlock;
    if (server ? !layers.seccomp || has_servers(options) : !files_are_held || is_given(options, disk)) return;
    if (server)
        throw UserError{"the jail lets no NBD server be added: start Porthole with --allow nbd, or with --jail off"};
    auto const file = resolved(disk.image);
    for (auto const& folder : layers.folders)
        if (folder != JailOptions::servers && is_below(resolved(folder), file)) return;
    throw UserError{"the jail does not let '" + disk.image + "' be opened: start Porthole with --allow " +
                    file.parent_path().string() + ", or with --jail off"};
}

} // namespace vmm::jail
