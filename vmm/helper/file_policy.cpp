#include "vmm/helper/file_policy.hpp"

#include <linux/openat2.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace vmm::helper {

namespace {

using devices::FileAccess;

int flags_of(FileAccess access)
{
    // Not to wait for the other end of a FIFO.
    return (access == FileAccess::Read ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
}

UniqueFd refused(int error)
{
    errno = error;
    return {};
}

bool is_image(int fd)
{
    struct stat what {};
    return ::fstat(fd, &what) == 0 && (S_ISREG(what.st_mode) || S_ISBLK(what.st_mode));
}

} // namespace

void FilePolicy::allow(std::string const& path, FileAccess access)
{
    if (!path.empty()) files_.push_back({path, access});
}

void FilePolicy::allow_folder(std::string const& path)
{
    auto const real = std::filesystem::canonical(path).string();
    UniqueFd fd{::open(real.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!fd) throw std::system_error{errno, std::generic_category(), path};
    folders_.push_back({real, std::move(fd)});
}

UniqueFd FilePolicy::open(std::string const& path, FileAccess access) const
{
    if (names(path, access)) return UniqueFd{::open(path.c_str(), flags_of(access))};
    std::error_code error;
    auto const real = std::filesystem::weakly_canonical(path, error).string();
    if (error) return refused(EPERM);
    for (auto const& folder : folders_) {
        auto const below = folder.path == "/" ? folder.path : folder.path + "/";
        if (real.starts_with(below)) return open_below(folder, real.substr(below.size()), access);
    }
    return refused(EPERM);
}

bool FilePolicy::names(std::string_view path, FileAccess access) const
{
    return std::ranges::any_of(files_, [&](File const& file) {
        return file.path == path && (file.access == FileAccess::ReadWrite || access == FileAccess::Read);
    });
}

/// `name` had no symbolic link in it when it was looked at, and has none when it is opened (openat2(2), Linux 5.6).
UniqueFd FilePolicy::open_below(Folder const& folder, std::string const& name, FileAccess access) const
{
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags_of(access));
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    UniqueFd file{static_cast<int>(::syscall(SYS_openat2, folder.fd.get(), name.c_str(), &how, sizeof how))};
    if (!file) return refused(errno == ELOOP || errno == EXDEV ? EPERM : errno);
    return is_image(file.get()) ? std::move(file) : refused(EPERM);
}

} // namespace vmm::helper
