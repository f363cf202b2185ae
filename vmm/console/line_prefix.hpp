/// Output of several guests on one terminal or in one file: whole lines, each with its guest's name before it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmm {

/// Makes "NAME| TEXT\n" of each line. A line may come in parts. A carriage return is left out, and another control
/// character but a tab is shown as a dot, so that no guest can write what looks like another's line.
class LinePrefix {
  public:
    static constexpr std::size_t longest_line = 4096; ///< bytes of text; a longer one becomes several

    explicit LinePrefix(std::string_view name);

    /// Appends to `out` the lines that `bytes` complete.
    void feed(std::span<std::byte const> bytes, std::vector<std::byte>& out);
    /// Appends the line that has begun, if one has.
    void finish(std::vector<std::byte>& out);

  private:
    void end_line(std::vector<std::byte>& out);

    std::string const prefix_;
    std::string line_; ///< begins with the prefix
};

} // namespace vmm
