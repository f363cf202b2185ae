/// A message that lies in pieces of guest memory, one after the other. The guest may change it at any time: what is
/// decided on is copied first.
#pragma once

#include "hv/vmbus/packet.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace devices::network {

class GuestPieces {
  public:
    explicit GuestPieces(std::span<hv::vmbus::GuestSpan const> pieces) : pieces_{pieces}
    {
        for (auto const& piece : pieces)
            size_ += piece.size();
    }

    [[nodiscard]] std::size_t size() const { return size_; } ///< bytes

    /// Copies bytes that are within.
    void read(std::size_t offset, void* to, std::size_t size) const
    {
        auto* out = static_cast<std::byte*>(to);
        walk(offset, size, [&](std::byte const* from, std::size_t length) {
            std::memcpy(out, from, length);
            out += length;
        });
    }

    /// Adds to `out` where bytes lie that are within.
    void locate(std::size_t offset, std::size_t size, std::vector<iovec>& out) const
    {
        walk(offset, size, [&](std::byte* from, std::size_t length) { out.push_back({from, length}); });
    }

  private:
    template <typename Use>
    void walk(std::size_t offset, std::size_t size, Use use) const
    {
        for (auto const& piece : pieces_) {
            if (size == 0) return;
            if (offset >= piece.size()) {
                offset -= piece.size();
                continue;
            }
            auto const length = std::min(piece.size() - offset, size);
            use(piece.data() + offset, length);
            offset = 0;
            size -= length;
        }
    }

    std::span<hv::vmbus::GuestSpan const> pieces_;
    std::size_t size_ = 0;
};

} // namespace devices::network
