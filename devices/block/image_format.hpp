/// Formats of disk images: what an image's name and content say.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace devices::block {

/// What a disk can be made of. All but Raw are served by qemu-nbd.
enum class ImageFormat : std::uint8_t { Raw, Qcow2, Vhdx, Vpc, Vmdk };

inline constexpr std::array image_formats{ImageFormat::Raw, ImageFormat::Qcow2, ImageFormat::Vhdx, ImageFormat::Vpc,
                                          ImageFormat::Vmdk};

/// QEMU's name of it: "raw", "qcow2", "vhdx", "vpc" (which others call VHD), "vmdk".
[[nodiscard]] std::string_view name_of(ImageFormat format);
/// The format of such a name, or of "vhd".
[[nodiscard]] std::optional<ImageFormat> format_named(std::string_view name);

/// What a file's name ends in: ".qcow2", ".vhdx", ".vhd", ".vmdk" in any case; Raw for all else.
[[nodiscard]] ImageFormat format_by_name(std::string_view path);

/// What is looked at of an image: its beginning and its end, less where the file is shorter.
struct ImageEnds {
    static constexpr std::size_t first_bytes = 4096;
    static constexpr std::size_t last_bytes = 512;

    std::span<std::byte const> first;
    std::span<std::byte const> last;
};

/// What the content says. Anyone who writes to a raw image can have it say anything.
struct Recognised {
    std::optional<ImageFormat> format; ///< Raw when it looks like nothing known; nothing for what cannot be used
    std::string_view what;             ///< for people: "a qcow2 image"
};
[[nodiscard]] Recognised recognise(ImageEnds const& ends);

/// The ends of an open file.
class ReadEnds {
  public:
    /// Reads them; less where that fails. `size` is the file's, in bytes.
    ReadEnds(int fd, std::uint64_t size);

    [[nodiscard]] ImageEnds ends() const
    {
        return {std::span{first_}.first(first_size_), std::span{last_}.first(last_size_)};
    }

  private:
    std::array<std::byte, ImageEnds::first_bytes> first_{};
    std::array<std::byte, ImageEnds::last_bytes> last_{};
    std::size_t first_size_ = 0;
    std::size_t last_size_ = 0;
};

} // namespace devices::block
