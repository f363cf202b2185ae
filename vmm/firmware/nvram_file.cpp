#include "vmm/firmware/nvram_file.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/firmware/volume.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vmm::firmware {

namespace {

/// What comes back to the caller of a write is on the disk.
constexpr int flags = O_RDWR | O_DSYNC | O_CLOEXEC;

std::string named(std::string const& path)
{
    return "the NVRAM file '" + path + "'";
}

[[noreturn]] void refuse(std::string const& path, std::string const& why)
{
    throw UserError{named(path) + " " + why};
}

[[noreturn]] void fail(std::string const& path, char const* what)
{
    throw UserError{std::string{"cannot "} + what + " " + named(path) + ": " + devices::os_error(errno)};
}

bool write_all(int file, std::span<std::byte const> bytes)
{
    while (!bytes.empty()) {
        auto const done = ::write(file, bytes.data(), bytes.size());
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
    return true;
}

bool read_all(int file, std::span<std::byte> bytes)
{
    off_t offset = 0;
    while (!bytes.empty()) {
        auto const done = ::pread(file, bytes.data(), bytes.size(), offset);
        if (done < 0 && errno == EINTR) continue;
        if (done == 0) errno = EIO;
        if (done <= 0) return false;
        offset += done;
        bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
    return true;
}

void sync_folder(std::string const& path)
{
    auto const folder = std::filesystem::path{path}.parent_path();
    devices::UniqueFd const file{::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (file) (void)::fsync(file.get());
}

/// A name beside it until it is whole. When somebody else has made the file meanwhile, theirs stays.
void make(std::string const& path, std::span<std::byte const> image)
{
    auto name = path + ".new-XXXXXX";
    devices::UniqueFd const file{::mkostemp(name.data(), O_CLOEXEC)};
    if (!file) fail(path, "make");
    if (!write_all(file.get(), image) || ::fsync(file.get()) != 0 ||
        (::renameat2(AT_FDCWD, name.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0 && errno != EEXIST)) {
        auto const error = errno;
        (void)::unlink(name.c_str());
        errno = error;
        fail(path, "make");
    }
    (void)::unlink(name.c_str()); // where theirs stays
    sync_folder(path);
}

devices::UniqueFd open_or_make(std::string const& path, std::span<std::byte const> image)
{
    devices::UniqueFd file{::open(path.c_str(), flags)};
    if (!file && errno == ENOENT) {
        make(path, image);
        file = devices::UniqueFd{::open(path.c_str(), flags)};
    }
    if (!file) fail(path, "open");
    return file;
}

void check(std::string const& path, std::span<std::byte const> header, std::span<std::byte const> image)
{
    auto const volume = read_volume(image);
    bool const sound = volume && volume->holds_variables && volume->size == image.size() &&
                       volume->header_size + store_header_size <= image.size();
    if (!sound) refuse(path, "is corrupt, or none of a UEFI firmware's: move it away, and a new one is made");
    if (!std::ranges::equal(header, image.first(header.size())))
        refuse(path, "is another firmware's: name another file, or the firmware that it belongs to");
    if (!is_healthy_store(image.subspan(volume->header_size)))
        refuse(path, "is corrupt: move it away, and a new one is made");
}

} // namespace

devices::UniqueFd open_nvram(std::string const& path, std::span<std::byte const> header, std::span<std::byte> image)
{
    auto file = open_or_make(path, image);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) fail(path, "read");
    if (!S_ISREG(status.st_mode)) refuse(path, "is not a regular file: name a file");
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) refuse(path, "is another guest's at the moment: each guest has one of its own");
        fail(path, "lock");
    }
    if (static_cast<std::uint64_t>(status.st_size) != image.size())
        refuse(path, "is not this firmware's: it has " + std::to_string(status.st_size) +
                         " bytes, and this firmware's have " + std::to_string(image.size()));
    if (!read_all(file.get(), image)) fail(path, "read");
    check(path, header, image);
    return file;
}

} // namespace vmm::firmware
