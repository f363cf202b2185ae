#include "hyperv/halting.hpp"

#include "runtime/hyperv.hpp"

namespace guest {

void start_ticking(u32 milliseconds)
{
    constexpr u64 vector = 0x52;
    constexpr u64 units_per_millisecond = 10'000;
    constexpr u64 enabled_and_periodic = 3;
    constexpr u64 direct_mode = u64{1} << 12;
    wrmsr(hv::msr::stimer0_count, milliseconds * units_per_millisecond);
    wrmsr(hv::msr::stimer0_config, enabled_and_periodic | vector << 4 | direct_mode);
}

} // namespace guest
