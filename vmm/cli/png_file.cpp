#include "vmm/cli/png_file.hpp"

#include "devices/base/loaded_library.hpp"
#include "vmm/base/user_error.hpp"

#include <png.h>
#include <stdexcept>

namespace vmm {

namespace {

decltype(&::png_image_write_to_file) load()
try {
    devices::LoadedLibrary const library{"Screenshots", "libpng16.so.16", "libpng16-16"};
    decltype(&::png_image_write_to_file) write = nullptr;
    library.find("png_image_write_to_file", write);
    return write;
} catch (std::runtime_error const& error) {
    throw UserError{error.what()};
}

} // namespace

void write_png(std::string const& path, std::uint32_t width, std::uint32_t height, std::span<std::byte const> rgb)
{
    if (width == 0 || height == 0 || rgb.size() != std::size_t{3} * width * height)
        throw UserError{"the answer is no picture: is this the run's own version of porthole?"};
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB;
    if (load()(&image, path.c_str(), 0, rgb.data(), 0, nullptr) == 0)
        throw UserError{"cannot write '" + path + "': " + image.message};
}

} // namespace vmm
