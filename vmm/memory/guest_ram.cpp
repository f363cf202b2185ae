#include "vmm/memory/guest_ram.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace vmm {

namespace {

constexpr std::uint64_t huge_page = 2 * layout::mib;

/// How /proc/PID/maps shows it: /memfd:guest-ram (deleted).
constexpr char const* file_name = "guest-ram";

[[noreturn]] void refuse(std::uint64_t bytes, std::string const& why)
{
    throw UserError{"cannot map " + std::to_string(bytes / layout::mib) + " MiB of guest memory: " + why +
                    "; give --memory less"};
}

/// Making a file longer than this would end the process with SIGXFSZ.
void check_file_size_limit(std::uint64_t bytes)
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || bytes <= limit.rlim_cur) return;
    refuse(bytes, "files of this process may have " + std::to_string(limit.rlim_cur / layout::kib) +
                      " KiB at most: raise that (ulimit -f)");
}

devices::UniqueFd make_file(std::uint64_t bytes)
{
    check_file_size_limit(bytes);
    devices::UniqueFd file{::memfd_create(file_name, MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        refuse(bytes, devices::os_error(errno));
    return file;
}

void advise(GuestRam::Range const& range)
{
    auto const size = range.guest.size;
    ::madvise(range.host, size, MADV_HUGEPAGE); // advice: fewer faults where the host can follow it
    ::madvise(range.host, size, MADV_DONTDUMP); // a core dump of Porthole is about Porthole
    ::madvise(range.host, size, MADV_DONTFORK); // nothing that Porthole starts has to do with it
}

void map(int file, GuestRam::Range const& range)
{
    auto const size = range.guest.size;
    if (::mmap(range.host, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
               static_cast<off_t>(range.offset)) == MAP_FAILED)
        refuse(size, devices::os_error(errno));
}

/// A setting's file has all its values, the one in force in brackets.
std::string value_in_force(std::string const& path)
{
    std::ifstream file{path};
    std::string before;
    std::string value;
    std::getline(file, before, '[');
    std::getline(file, value, ']');
    return value;
}

} // namespace

bool files_lack_huge_pages(std::string const& folder)
{
    auto const of_private = value_in_force(folder + "/enabled");
    auto const of_files = value_in_force(folder + "/shmem_enabled");
    return (of_private == "always" || of_private == "madvise") && (of_files == "never" || of_files == "deny");
}

namespace {

/// Asked once: a restarted guest is built where no file can be opened.
bool host_lacks_them()
{
    static bool const lacks = files_lack_huge_pages();
    return lacks;
}

} // namespace

void GuestRam::Unmap::operator()(std::byte* start) const
{
    ::munmap(start, size);
}

/// Private memory that begins at a huge page. Where a file takes its place it was asked for all the same: a host that
/// does not promise more memory than it has (vm.overcommit_memory=2), or a limit of this process, refuses it at once,
/// while a file in memory would run out only when its pages are touched.
GuestRam::Mapping GuestRam::reserve(std::uint64_t bytes)
{
    auto const size = bytes + huge_page;
    auto* const start =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) refuse(bytes, devices::os_error(errno));

    auto* const first = static_cast<std::byte*>(start);
    auto const padding = -reinterpret_cast<std::uintptr_t>(start) % huge_page;
    if (padding != 0) ::munmap(first, padding);
    ::munmap(first + padding + bytes, huge_page - padding);
    return Mapping{first + padding, {bytes}};
}

GuestRam::GuestRam(MemoryLayout const& layout, RamSharing sharing)
    : file_{sharing == RamSharing::Always || !host_lacks_them() ? make_file(layout.bytes() + layout.hot_add().size)
                                                                : devices::UniqueFd{}}
{
    std::uint64_t offset = 0;
    std::vector<MemoryRange> all{layout.ram().begin(), layout.ram().end()};
    if (layout.hot_add().size != 0) all.push_back(layout.hot_add());
    for (auto const& guest : all) {
        mappings_.push_back(reserve(guest.size));
        ranges_.push_back({guest, offset, mappings_.back().get()});
        if (file_) map(fd(), ranges_.back());
        advise(ranges_.back());
        offset += guest.size;
    }
}

bool GuestRam::discard(std::byte* first, std::uint64_t bytes) const
{
    return ::madvise(first, bytes, file_ ? MADV_REMOVE : MADV_DONTNEED) == 0;
}

} // namespace vmm
