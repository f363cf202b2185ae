#include "bench/measure.hpp"

#include "runtime/console.hpp"

namespace guest {

namespace {

unsigned failed;

void sort(u64 (&values)[measured_rounds])
{
    for (unsigned i = 1; i < measured_rounds; ++i) {
        auto const value = values[i];
        unsigned hole = i;
        for (; hole > 0 && values[hole - 1] > value; --hole)
            values[hole] = values[hole - 1];
        values[hole] = value;
    }
}

} // namespace

void report_values(char const* name, u64 (&values)[measured_rounds])
{
    sort(values);
    print("bench ", name, " ", values[measured_rounds / 2], "\n");
}

void report_failed(char const* name)
{
    ++failed;
    print("failed ", name, ": one was not carried out\n");
}

unsigned failures()
{
    return failed;
}

} // namespace guest
