/// Memory of this process that a guest can see as its own.
#pragma once

#include <cstddef>
#include <span>

namespace vmm::firmware {

/// Whole pages, at the same place for its life. Where they have what an empty flash chip has, all ones, they share
/// their memory until they are written: more than half of a firmware is that.
class PageBuffer {
  public:
    /// A copy of whole pages, at least one. Throws std::bad_alloc.
    explicit PageBuffer(std::span<std::byte const> content);
    PageBuffer(PageBuffer const&) = delete;
    PageBuffer& operator=(PageBuffer const&) = delete;
    ~PageBuffer();

    [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
    /// Has what is in there from now on, which is as large. What is shared and the same stays shared.
    void take(std::span<std::byte const> content);

  private:
    explicit PageBuffer(std::size_t size); ///< bytes; zero

    std::span<std::byte> bytes_;
};

} // namespace vmm::firmware
