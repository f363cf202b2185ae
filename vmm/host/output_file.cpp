#include "vmm/host/output_file.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"

#include <linux/magic.h>

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace vmm {

namespace {

constexpr ::mode_t owner_alone = 0600;
constexpr int always = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

/// In a folder where only the system makes links: they lead to what this process has open.
bool is_the_systems_link(std::string const& path)
{
    std::error_code failed;
    auto const folder = std::filesystem::canonical(std::filesystem::absolute(path, failed).parent_path(), failed);
    if (failed) return false;
    struct ::statfs status {};
    return folder == "/dev" || (::statfs(folder.c_str(), &status) == 0 && status.f_type == PROC_SUPER_MAGIC);
}

std::string why_not(std::string const& path, int error)
{
    struct stat status {};
    if (error == ELOOP && ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode))
        return "it is a symbolic link; name the file that it leads to";
    if (error == ENXIO && ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode))
        return "nobody reads this FIFO; start its reader first";
    return devices::os_error(error) + "; name a file that can be created";
}

} // namespace

UniqueFd open_output(std::string const& what, std::string const& path, Existing existing)
{
    auto const refuse = [&](std::string const& why) {
        throw UserError{"cannot write " + what + " to '" + path + "': " + why};
    };
    UniqueFd file{::open(path.c_str(), always | O_NOFOLLOW, owner_alone)};
    auto error = errno;
    if (!file && error == ELOOP && is_the_systems_link(path)) {
        file = UniqueFd{::open(path.c_str(), always, owner_alone)};
        error = errno;
    }
    if (!file) refuse(why_not(path, error));

    struct stat status {};
    if (::fstat(file.get(), &status) != 0) refuse(devices::os_error(errno));
    if (S_ISBLK(status.st_mode)) refuse("it is a block device; name a file");
    if (S_ISREG(status.st_mode) && existing == Existing::Emptied && ::ftruncate(file.get(), 0) != 0)
        refuse(devices::os_error(errno));
    ::fcntl(file.get(), F_SETFL, O_APPEND); // the rest was for open() alone
    return file;
}

} // namespace vmm
