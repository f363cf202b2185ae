/// Guest memory that a guest has handed to a channel under a handle (a "guest physical address descriptor list").
#pragma once

#include "hv/abi/types.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace hv::vmbus {

using GpadlId = Id<struct GpadlIdTag, std::uint32_t>; ///< chosen by the guest

/// One range of bytes over pages of RAM that may lie anywhere. Whoever uses it holds a std::shared_ptr to it: the
/// guest is told that its memory is its own again when the last one is gone. The guest may change the content at any
/// time.
class Gpadl {
  public:
    /// `pages` are host addresses of pages; the range is `size` bytes from `first_offset` in the first of them.
    /// `kept` lives as long as this does.
    Gpadl(std::vector<std::byte*> pages, std::uint32_t first_offset, std::uint32_t size,
          std::shared_ptr<void const> kept = nullptr);
    Gpadl(Gpadl const&) = delete;
    Gpadl& operator=(Gpadl const&) = delete;
    ~Gpadl();

    [[nodiscard]] std::uint32_t size() const { return size_; } ///< bytes
    [[nodiscard]] std::uint32_t first_offset() const { return first_offset_; }
    [[nodiscard]] bool page_aligned() const { return first_offset_ == 0; }
    [[nodiscard]] std::byte* page(std::size_t n) const { return pages_[n]; }
    [[nodiscard]] std::size_t page_count() const { return pages_.size(); }
    [[nodiscard]] std::vector<std::byte*> const& pages() const { return pages_; }

    [[nodiscard]] bool contains(std::uint64_t offset, std::uint64_t size) const
    {
        return offset <= size_ && size <= size_ - offset;
    }

    /// How many of the `size` bytes from `offset` lie in one piece at `at(offset)`. The range is contained.
    [[nodiscard]] std::byte* at(std::uint64_t offset) const
    {
        auto const from_page = offset + first_offset_;
        return pages_[from_page / page_size] + from_page % page_size;
    }
    [[nodiscard]] std::size_t contiguous(std::uint64_t offset, std::size_t size) const;

    /// Copies between host memory and a range that is contained. Any alignment.
    void read(std::uint64_t offset, void* to, std::size_t size) const;
    void write(std::uint64_t offset, void const* from, std::size_t size) const;

    /// Called when the last user has let go of it, on that user's thread. Set once at most, by a user.
    void on_unused(std::function<void()> action) { unused_ = std::move(action); }

  private:
    std::vector<std::byte*> const pages_;
    std::uint32_t const first_offset_;
    std::uint32_t const size_;
    bool const one_piece_;
    std::shared_ptr<void const> const kept_;
    std::function<void()> unused_;
};

} // namespace hv::vmbus
