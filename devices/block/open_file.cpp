#include "devices/block/open_file.hpp"

#include "devices/base/host_file.hpp"
#include "devices/base/os_error.hpp"
#include "devices/block/backend.hpp"
#include "devices/block/image_format.hpp"

#include <linux/fs.h>
#include <linux/magic.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

namespace devices::block {

namespace {

[[noreturn]] void refuse(std::string const& path, std::string const& why)
{
    throw OpenError{"disk image '" + path + "' " + why};
}

[[noreturn]] void refuse_to_open(std::string const& path, bool read_only, int error)
{
    switch (error) {
    case ENOENT: refuse(path, "does not exist: check the path, or make it with 'truncate -s SIZE'");
    case EACCES:
    case EPERM:
    case EROFS:
        refuse(path, read_only ? "must not be read by you: check its permissions"
                               : "must not be written by you: check its permissions, or add ',ro'");
    case EISDIR: refuse(path, "is a folder: name a file or a block device");
    default: refuse(path, std::string{"cannot be opened: "} + os_error(error));
    }
}

void lock(int fd, std::string const& path, bool read_only)
{
    struct flock whole {};
    whole.l_type = read_only ? F_RDLCK : F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0) return;
    if (errno != EAGAIN && errno != EACCES) return; // a file system without locks protects nobody
    refuse(path, read_only
                     ? "is in use, and whoever uses it writes to it: end that, or use a copy"
                     : "is in use by another Porthole or program: end that, use a copy, or have both add ',ro'");
}

/// Its guest may have written what makes a raw image look like another: then it would be no safe guess to open it as
/// that, and there is none that it is raw.
void refuse_other_formats(int fd, std::string const& path, std::uint64_t size)
{
    ReadEnds const read{fd, size};
    auto const found = recognise(read.ends());
    if (found.format == ImageFormat::Raw) return;
    auto const looks = "looks like " + std::string{found.what};
    constexpr auto raw = "',format=raw' if it is raw, and its guest has written what looks so";
    if (!found.format) refuse(path, looks + ": convert it with 'qemu-img convert -O qcow2', or add " + raw);
    refuse(path, looks + ", and its name says nothing of it: add ',format=" + std::string{name_of(*found.format)} +
                     "' if that is what it is, or " + raw);
}

std::uint64_t device_size(int fd, std::string const& path)
{
    std::uint64_t size = 0;
    if (ioctl(fd, BLKGETSIZE64, &size) != 0) refuse(path, std::string{"has no size: "} + os_error(errno));
    return size;
}

void ask_for_blocks(int fd, OpenedImage& image)
{
    int logical = 0;
    unsigned physical = 0;
    if (ioctl(fd, BLKSSZGET, &logical) == 0 && logical > 0) image.logical_block = static_cast<std::uint32_t>(logical);
    image.physical_block = image.logical_block;
    if (ioctl(fd, BLKPBSZGET, &physical) == 0) image.physical_block = std::max(image.logical_block, physical);
}

/// Where a file lies, by the numbers of statfs(2). What is not known here may be anywhere.
void ask_for_place(int fd, OpenedImage& image)
{
    constexpr std::array<std::uint32_t, 7> local{EXT4_SUPER_MAGIC, BTRFS_SUPER_MAGIC,     F2FS_SUPER_MAGIC,
                                                 XFS_SUPER_MAGIC,  OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,
                                                 RAMFS_MAGIC};
    struct statfs where {};
    image.remote = true;
    if (fstatfs(fd, &where) != 0) return; // a FUSE server need not answer this
    auto const type = static_cast<std::uint32_t>(where.f_type);
    image.in_memory = type == TMPFS_MAGIC || type == RAMFS_MAGIC;
    image.remote = std::ranges::find(local, type) == local.end();
}

} // namespace

OpenedImage open_image(std::string const& path, OpenImage const& how)
{
    auto const& [read_only, told_raw, block_size] = how;
    OpenedImage image;
    // Not to wait for the other end of a FIFO.
    image.fd = open_host_file(path.c_str(), read_only ? FileAccess::Read : FileAccess::ReadWrite);
    if (!image.fd) refuse_to_open(path, read_only, errno);
    // But an io_uring takes the flag for a wish to be told EAGAIN.
    fcntl(image.fd.get(), F_SETFL, fcntl(image.fd.get(), F_GETFL) & ~O_NONBLOCK);

    struct stat what {};
    if (fstat(image.fd.get(), &what) != 0) refuse_to_open(path, read_only, errno);
    image.device = S_ISBLK(what.st_mode);
    if (S_ISDIR(what.st_mode)) refuse_to_open(path, read_only, EISDIR);
    if (!image.device && !S_ISREG(what.st_mode)) refuse(path, "is neither a file nor a block device");

    lock(image.fd.get(), path, read_only);
    image.size = image.device ? device_size(image.fd.get(), path) : static_cast<std::uint64_t>(what.st_size);
    if (image.size == 0) refuse(path, "is empty: give it a size, e.g. with 'truncate -s 10G'");
    if (!told_raw) refuse_other_formats(image.fd.get(), path, image.size);
    if (image.size % block_size != 0) {
        refuse(path, "has " + std::to_string(image.size) + " bytes, which is no multiple of " +
                         std::to_string(block_size) + ": enlarge it with 'truncate -s %" +
                         std::to_string(block_size) + "'");
    }
    if (image.device)
        ask_for_blocks(image.fd.get(), image);
    else
        ask_for_place(image.fd.get(), image);
    return image;
}

} // namespace devices::block
