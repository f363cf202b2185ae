/// What a guest draws into: memory of a display, which outlives the guest's resets.
#pragma once

#include "devices/base/unique_fd.hpp"

#include <cstddef>
#include <span>

namespace vmm {

/// A file in memory that nobody else can name, of fixed size.
class VideoMemory {
  public:
    /// `size` in whole pages. Throws UserError when the host will not give that much.
    explicit VideoMemory(std::size_t size);
    VideoMemory(VideoMemory const&) = delete;
    VideoMemory& operator=(VideoMemory const&) = delete;
    ~VideoMemory();

    /// Stays mapped for the life of this object.
    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
    /// All zero again, and its pages given back.
    void clear() const;

  private:
    devices::UniqueFd file_;
    std::span<std::byte> bytes_;
};

} // namespace vmm
