/// Pictures as PNG files, by libpng, which is loaded when one is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vmm {

/// `rgb` has three bytes a pixel, row by row; a file that is there is written anew. Throws UserError.
void write_png(std::string const& path, std::uint32_t width, std::uint32_t height, std::span<std::byte const> rgb);

} // namespace vmm
