#include "bench/measure.hpp"

#include "runtime/console.hpp"

namespace guest {

namespace {

unsigned failed;
char const* prefix = "";

void sort(u64* values, unsigned count)
{
    for (unsigned i = 1; i < count; ++i) {
        auto const value = values[i];
        unsigned hole = i;
        for (; hole > 0 && values[hole - 1] > value; --hole)
            values[hole] = values[hole - 1];
        values[hole] = value;
    }
}

} // namespace

void begin_names_with(char const* text)
{
    prefix = text;
}

void report_values(char const* name, u64* values, unsigned count)
{
    sort(values, count);
    print("bench ", prefix, name, " ", values[count / 2], "\n");
}

void report_failed(char const* name)
{
    ++failed;
    print("failed ", prefix, name, ": one was not carried out\n");
}

void skip(char const* name, char const* reason)
{
    print("skip ", prefix, name, ": ", reason, "\n");
}

unsigned failures()
{
    return failed;
}

} // namespace guest
