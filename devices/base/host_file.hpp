/// Files of the host's that a machine is made of: images, kernels, devices.
#pragma once

#include "devices/base/unique_fd.hpp"

#include <cstdint>

namespace devices {

enum class FileAccess : std::uint8_t { Read, ReadWrite };

/// Opens what exists, with O_CLOEXEC and O_NONBLOCK; nothing, and errno says why. A file system may let it wait for
/// as long as it likes.
[[nodiscard]] UniqueFd open_host_file(char const* path, FileAccess access);

/// Who opens in place of the process; nullptr, as at first, for itself. Called on any thread, as above.
using FileOpener = UniqueFd (*)(char const* path, FileAccess access);
void set_file_opener(FileOpener opener);

} // namespace devices
