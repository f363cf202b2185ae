#include "vmm/memory/video_memory.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace vmm {

VideoMemory::VideoMemory(std::size_t size) : file_{::memfd_create("video-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING)}
{
    auto const refuse = [&] {
        throw UserError{"cannot map " + std::to_string(size >> 20) + " MiB of video memory: " +
                        devices::os_error(errno) + "; leave --display out, or raise the limit"};
    };
    if (!file_ || ::ftruncate(file_.get(), static_cast<off_t>(size)) != 0 ||
        ::fcntl(file_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        refuse();
    auto* const start = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    if (start == MAP_FAILED) refuse();
    bytes_ = {static_cast<std::byte*>(start), size};
    ::madvise(start, size, MADV_DONTDUMP); // as for a guest's RAM
    ::madvise(start, size, MADV_DONTFORK);
}

void VideoMemory::clear() const
{
    if (::madvise(bytes_.data(), bytes_.size(), MADV_REMOVE) != 0) std::ranges::fill(bytes_, std::byte{0});
}

VideoMemory::~VideoMemory()
{
    ::munmap(bytes_.data(), bytes_.size());
}

} // namespace vmm
