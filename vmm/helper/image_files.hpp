/// The files that an image is made of: what `qemu-img info --backing-chain` says of it, and whether it may be so.
#pragma once

#include "devices/block/image_server.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vmm::helper {

/// Why an image is not served: what goes behind its name in a line for the user.
struct ImageRefused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct ImageFile {
    std::string path; ///< without symbolic links
    bool read_only;

    friend bool operator==(ImageFile const&, ImageFile const&) = default;
};

/// Whether a path, both without symbolic links, lies somewhere below a folder.
[[nodiscard]] bool is_within(std::string_view folder, std::string_view path);

/// `image` is the real path of the request's, `info` the program's output. The image is the first file. All others
/// lie below its folder, or below that of the request; those that are written to are named after the image, or lie
/// below that of the request. Throws ImageRefused for anything else, an encrypted image, and what is no such output.
[[nodiscard]] std::vector<ImageFile> image_files(devices::block::ImageRequest const& request,
                                                 std::string const& image, std::string_view info);

} // namespace vmm::helper
