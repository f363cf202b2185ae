/// Bounded waiting: nothing in a guest program waits for ever.
#pragma once

#include "runtime/machine.hpp"

namespace guest {

/// Cycles of the time-stamp counter in a second: what Hyper-V or CPUID says, else an upper bound for any processor,
/// so that a budget is never shorter than asked for.
u64 tsc_frequency();

class Budget {
  public:
    explicit Budget(u64 microseconds) : start_{rdtsc()}, cycles_{microseconds * (tsc_frequency() / 1'000'000)} {}

    [[nodiscard]] bool spent() const { return rdtsc() - start_ >= cycles_; }

  private:
    u64 start_;
    u64 cycles_;
};

inline constexpr u32 patience_ms = 5000; ///< for what should happen soon, on a loaded or emulated machine too

/// True as soon as the condition holds, false when the budget is spent first.
template <typename Condition>
[[nodiscard]] bool wait_until(Condition&& condition, u32 milliseconds = patience_ms)
{
    Budget const budget{u64{milliseconds} * 1000};
    while (!condition()) {
        if (budget.spent()) return condition();
        relax();
    }
    return true;
}

/// Spins for this long; for tests that look whether nothing happens.
inline void let_time_pass(u64 microseconds)
{
    for (Budget const budget{microseconds}; !budget.spent();)
        relax();
}

} // namespace guest
