/// Looks at an image before it is served, by Porthole's own eyes and by those of a confined qemu-img.
#pragma once

#include "vmm/helper/image_files.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace vmm::helper {

/// Programs of QEMU's, by their real paths; empty for what is not installed.
struct ImageTools {
    std::string qemu_img;
    std::string qemu_nbd;
};
[[nodiscard]] ImageTools find_image_tools();

/// The files that are to be opened for it, its own the first. Throws ImageRefused, std::system_error.
[[nodiscard]] std::vector<ImageFile> inspect_image(devices::block::ImageRequest const& request,
                                                   ImageTools const& tools);

/// What a program of QEMU's complains of: its last line that is about that, without the program's name.
[[nodiscard]] std::string complaint_of(std::string_view said);

} // namespace vmm::helper
