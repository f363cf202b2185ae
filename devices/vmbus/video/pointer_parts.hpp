/// Puts the shape of a mouse pointer together, which comes in several messages.
#pragma once

#include "devices/display/screen.hpp"
#include "devices/vmbus/video/protocol.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace devices::vmbus::video {

class PointerParts {
  public:
    /// `data` is what follows the header in its message, with up to seven bytes more. The pointer, when this was its
    /// last part and all is there.
    [[nodiscard]] std::optional<display::Pointer> add(PointerShape const& header, std::span<std::byte const> data);
    void clear() { data_.clear(); }

  private:
    std::vector<std::byte> data_; ///< of the parts before; no more than a pointer has
};

} // namespace devices::vmbus::video
