#include "vmm/firmware/page_buffer.hpp"

#include "hv/base/guest_memory.hpp"
#include "vmm/host/unique_fd.hpp"

#include <algorithm>
#include <new>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace vmm::firmware {

namespace {

constexpr std::size_t padding_size = 64 * 1024; ///< that is shared: a mapping for each, so not a single page
constexpr std::byte ones{0xFF};

/// A file of that size with nothing but ones; none where the host has no such files.
UniqueFd make_padding()
{
    UniqueFd file{::memfd_create("firmware-padding", MFD_CLOEXEC)};
    std::vector<std::byte> const content(padding_size, ones);
    if (file && ::write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        return {};
    return file;
}

bool is_padding(std::span<std::byte const> part)
{
    return part.size() == padding_size && std::ranges::all_of(part, [](auto byte) { return byte == ones; });
}

} // namespace

PageBuffer::PageBuffer(std::size_t size)
{
    auto* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc{};
    bytes_ = {static_cast<std::byte*>(memory), size};
}

PageBuffer::PageBuffer(std::span<std::byte const> content) : PageBuffer{content.size()}
{
    auto const padding = make_padding();
    for (std::size_t at = 0; at < content.size();) {
        auto const part = content.subspan(at, std::min(padding_size, content.size() - at));
        if (padding && is_padding(part)) {
            if (::mmap(&bytes_[at], padding_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, padding.get(),
                       0) == MAP_FAILED)
                throw std::bad_alloc{};
            at += padding_size;
        } else {
            auto const page = part.first(std::min<std::size_t>(hv::page_size, part.size()));
            std::ranges::copy(page, &bytes_[at]);
            at += page.size();
        }
    }
}

void PageBuffer::take(std::span<std::byte const> content)
{
    for (std::size_t at = 0; at < content.size(); at += hv::page_size) {
        auto const page = content.subspan(at, std::min<std::size_t>(hv::page_size, content.size() - at));
        if (!std::ranges::equal(page, bytes_.subspan(at, page.size()))) std::ranges::copy(page, &bytes_[at]);
    }
}

PageBuffer::~PageBuffer()
{
    ::munmap(bytes_.data(), bytes_.size());
}

} // namespace vmm::firmware
