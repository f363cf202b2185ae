/// Memory of this process that a guest can see as its own.
#pragma once

#include <cstddef>
#include <span>

namespace vmm::firmware {

/// Whole pages, zero at first, at the same place for its life.
class PageBuffer {
  public:
    /// `size`: bytes, more than 0. Throws std::bad_alloc.
    explicit PageBuffer(std::size_t size);
    PageBuffer(PageBuffer const&) = delete;
    PageBuffer& operator=(PageBuffer const&) = delete;
    ~PageBuffer();

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

  private:
    std::span<std::byte> bytes_;
};

} // namespace vmm::firmware
