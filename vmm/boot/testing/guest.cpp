#include "vmm/boot/testing/guest.hpp"

#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

namespace vmm::testing {

GuestRam::GuestRam(std::uint64_t bytes) : layout_{bytes}
{
    for (auto const& range : layout_.ram()) {
        auto* const host =
            ::mmap(nullptr, range.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (host == MAP_FAILED) throw std::runtime_error{"no memory for a test guest"};
        memory_.add({range.base, range.size, static_cast<std::byte*>(host)});
    }
}

GuestRam::~GuestRam()
{
    for (auto const& region : memory_.regions())
        ::munmap(region.host, region.size);
}

std::byte const* GuestRam::host(std::uint64_t gpa, std::uint64_t size) const
{
    auto const* const at = memory_.at(hv::Gpa{gpa}, size);
    if (!at) throw std::out_of_range{"the test looks outside the guest's RAM"};
    return at;
}

ScratchFile::ScratchFile(std::span<std::byte const> content) : fd_{::memfd_create("scratch", MFD_CLOEXEC)}
{
    if (fd_ < 0) throw std::runtime_error{"no scratch file for a test"};
    replace(content);
}

ScratchFile::~ScratchFile()
{
    ::close(fd_);
}

std::filesystem::path ScratchFile::path() const
{
    return "/proc/self/fd/" + std::to_string(fd_);
}

void ScratchFile::replace(std::span<std::byte const> content) const
{
    auto const size = static_cast<off_t>(content.size());
    if (::ftruncate(fd_, size) < 0 || ::pwrite(fd_, content.data(), content.size(), 0) != size)
        throw std::runtime_error{"cannot write a test's scratch file"};
}

Bytes pattern(std::size_t size)
{
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>(i * 131 + i / 4096 + 7);
    return bytes;
}

} // namespace vmm::testing
