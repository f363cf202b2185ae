#include "vmm/boot/input_file.hpp"

#include "devices/base/host_file.hpp"
#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/boot_memory.hpp"

#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

namespace vmm {

namespace {

UniqueFd open_or_throw(std::filesystem::path const& path, std::string const& name)
{
    auto fd = devices::open_host_file(path.c_str(), devices::FileAccess::Read);
    if (!fd) {
        throw UserError{"cannot open the " + name + ": " + devices::os_error(errno) +
                        ": check the path and its permissions"};
    }
    return fd;
}

std::uint64_t size_or_throw(int fd, std::string const& name)
{
    struct stat status {};
    if (::fstat(fd, &status) < 0) throw UserError{"cannot read the " + name + ": " + devices::os_error(errno)};
    if (!S_ISREG(status.st_mode)) throw UserError{"the " + name + " is not a regular file: give a file"};
    if (status.st_size == 0) throw UserError{"the " + name + " is empty: give another file"};
    return static_cast<std::uint64_t>(status.st_size);
}

} // namespace

InputFile::InputFile(std::filesystem::path const& path, std::string const& what)
    : name_{what + " '" + path.string() + "'"}, fd_{open_or_throw(path, name_)}
{
    size_ = size_or_throw(fd_.get(), name_);
}

void InputFile::read(std::uint64_t offset, std::span<std::byte> to) const
{
    if (!contains(offset, to.size())) throw UserError{"the " + name_ + " is truncated: get a complete copy"};
    while (!to.empty()) {
        auto const done = ::pread(fd_.get(), to.data(), to.size(), static_cast<off_t>(offset));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) throw UserError{"cannot read the " + name_ + ": " + devices::os_error(errno)};
        if (done == 0) throw UserError{"the " + name_ + " became shorter while it was read: try again"};
        offset += static_cast<std::uint64_t>(done);
        to = to.subspan(static_cast<std::size_t>(done));
    }
}

void InputFile::load(std::uint64_t offset, MemoryRange const& to, hv::GuestMemory const& memory) const
{
    read(offset, {host_address(memory, to), to.size});
}

} // namespace vmm
