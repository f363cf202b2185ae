/// Finds a text in what a guest prints.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmm {

/// Keeps no output, only how much of the text it has seen last. (Knuth, Morris and Pratt's algorithm.)
class ReadyText {
  public:
    /// `text` is not empty.
    explicit ReadyText(std::string_view text);

    /// True when the text ends within `bytes`, however many calls it is spread over.
    [[nodiscard]] bool feed(std::span<std::byte const> bytes);

    /// Forgets the beginning that it has seen.
    void reset() { matched_ = 0; }

  private:
    std::string const text_;
    std::vector<std::size_t>
        fallback_; ///< [n]: the longest beginning of the text that also ends its first n + 1 bytes
    std::size_t matched_ = 0;
};

} // namespace vmm
