/// Repeats something and says what it costs.
#pragma once

#include "runtime/machine.hpp"

namespace guest {

inline constexpr unsigned warm_up_rounds = 20;
inline constexpr unsigned measured_rounds = 201; ///< odd, so that one of them is the median

/// Makes of an action a measurement: the cycles it takes, less what measuring itself takes.
template <typename Action>
auto timed(Action const& action)
{
    return [action]() -> u64 {
        auto const start = rdtsc();
        action();
        auto const end = rdtsc();
        auto const empty = rdtsc() - end;
        auto const cycles = end - start;
        return cycles > empty ? cycles - empty : 1;
    };
}

/// What the names of all benchmarks begin with from now on.
void begin_names_with(char const* text);

/// Prints the median of so many values.
void report_values(char const* name, u64* values, unsigned count);

void report_failed(char const* name);

/// Says why a benchmark cannot be run here.
void skip(char const* name, char const* reason);

template <typename... Names>
void skip_each(char const* reason, Names... names)
{
    (skip(names, reason), ...);
}

template <typename... Names>
void fail_each(Names... names)
{
    (report_failed(names), ...);
}

inline constexpr char const* no_test_device = "no SynIC test device at I/O port 0x3000";

/// How many measurements failed.
unsigned failures();

/// Measures and prints. A measurement of zero cycles means that what was to be measured failed.
template <typename Measurement>
void report(char const* name, Measurement const& measure, unsigned rounds = measured_rounds)
{
    static u64 values[measured_rounds];
    for (unsigned i = 0; i < warm_up_rounds + rounds; ++i) {
        auto const cycles = measure();
        if (cycles == 0) return report_failed(name);
        if (i >= warm_up_rounds) values[i - warm_up_rounds] = cycles;
    }
    report_values(name, values, rounds);
}

} // namespace guest
