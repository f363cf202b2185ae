/// The file in which a firmware's variables outlive a run.
#pragma once

#include "devices/base/unique_fd.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace vmm::firmware {

/// Opens the file for writing, alone, and reads it to `image`, which is as large as it is to be. When there is none,
/// one is made with what is in `image`, and is there as a whole or not at all. `header` is what an image of this
/// firmware begins with. Throws UserError with one line.
[[nodiscard]] devices::UniqueFd open_nvram(std::string const& path, std::span<std::byte const> header,
                                           std::span<std::byte> image);

} // namespace vmm::firmware
