/// Opens a raw image, checks that it can be a disk, and keeps others from using it at the same time.
#pragma once

#include "devices/base/unique_fd.hpp"

#include <cstdint>
#include <string>

namespace devices::block {

struct OpenedImage {
    UniqueFd fd;
    std::uint64_t size = 0;
    bool device = false;    ///< a block device
    bool in_memory = false; ///< on a file system that never waits for a device
    bool remote = false;    ///< on a file system that may have to ask a server, or a program, even for the size
    std::uint32_t logical_block = 512; ///< bytes; of a device
    std::uint32_t physical_block = 512;
};

/// The image is locked until the descriptor is closed: exclusively, or together with others that only read. The lock
/// is advisory: it binds Porthole, QEMU and whoever else asks (fcntl(2), open file description locks).
struct OpenImage {
    bool read_only;
    bool told_raw;            ///< otherwise one that looks like another format is refused
    std::uint64_t block_size; ///< the size is a multiple of it
};
/// Throws OpenError.
[[nodiscard]] OpenedImage open_image(std::string const& path, OpenImage const& how);

} // namespace devices::block
