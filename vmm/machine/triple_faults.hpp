/// Whether a guest that resets itself by a triple fault gets anywhere, or would do so for ever.
#pragma once

#include <chrono>

namespace vmm {

class TripleFaults {
  public:
    static constexpr unsigned most_in_a_row = 5;
    static constexpr std::chrono::seconds soon{10};

    /// One came when the guest had run for so long, in its own time; `listening` when it had begun to listen to its
    /// serial port. Whether it may start anew: not after `most_in_a_row` that came soon and of which none was
    /// listening.
    [[nodiscard]] bool may_restart(std::chrono::nanoseconds running_for, bool listening)
    {
        in_a_row_ = running_for >= soon || listening ? 0 : in_a_row_ + 1;
        return in_a_row_ < most_in_a_row;
    }

    /// It was reset in another way.
    void forget() { in_a_row_ = 0; }

  private:
    unsigned in_a_row_ = 0;
};

} // namespace vmm
