#include "runtime/clock.hpp"

#include "runtime/hyperv.hpp"
#include "runtime/traps.hpp"

namespace guest {

namespace {

constexpr u64 faster_than_any = 4'000'000'000;

u64 find_frequency()
{
    if (hv::offered(hv::feature::frequency_msrs)) {
        if (auto const read = try_rdmsr(hv::msr::tsc_frequency); read.ok && read.value) return read.value;
    }
    return faster_than_any;
}

} // namespace

u64 tsc_frequency()
{
    static u64 frequency = 0;
    if (!frequency) frequency = find_frequency();
    return frequency;
}

} // namespace guest
