#include "vmm/firmware/variables.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/firmware/nvram_file.hpp"
#include "vmm/firmware/volume.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <sys/uio.h>

namespace vmm::firmware {

namespace {

using devices::firmware::flash_block;

std::vector<std::byte> header_of(std::span<std::byte const> image)
{
    auto const volume = read_volume(image);
    if (!volume) throw std::logic_error{"a template of variables has not been checked"};
    auto const header = image.first(std::min(volume->header_size + store_identity_size, image.size()));
    return {header.begin(), header.end()};
}

} // namespace

Variables::Variables(std::span<std::byte const> original) : memory_{original}, header_{header_of(original)} {}

Variables::Variables(std::span<std::byte const> original, std::string const& path) : Variables{original}
{
    changed_.resize(original.size() / flash_block);
    path_ = path;
    std::vector<std::byte> kept{original.begin(), original.end()};
    file_ = open_nvram(path, header_, kept);
    memory_.take(kept);
}

bool Variables::has_header() const
{
    return std::ranges::equal(header_, memory_.bytes().first(header_.size()));
}

void Variables::keep(std::size_t offset, std::size_t size) noexcept
{
    if (!file_) return;
    if (!has_header()) {
        changed_[offset / flash_block] = true;
        return;
    }
    for (std::size_t block = 0; block < changed_.size(); ++block) {
        if (!changed_[block]) continue;
        changed_[block] = false;
        write(block * flash_block, flash_block);
    }
    write(offset, size);
}

/// What cannot be written is tried again with the next change.
void Variables::write(std::size_t offset, std::size_t size) noexcept
{
    auto const from = bytes().subspan(offset, size);
    iovec const part{from.data(), from.size()};
    ssize_t done = 0;
    do
        done = ::pwritev(file_.get(), &part, 1, static_cast<off_t>(offset));
    while (done < 0 && errno == EINTR);
    if (done == static_cast<ssize_t>(size)) return;
    if (done >= 0) errno = ENOSPC;
    changed_[offset / flash_block] = true;
    try {
        warn_limited(failures_logged_, "the NVRAM file '{}' does not get the UEFI variables that the guest sets: {}",
                     path_, devices::os_error(errno));
    } catch (...) { // nothing is left to tell it to
    }
}

} // namespace vmm::firmware
