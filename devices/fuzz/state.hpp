/// What fuzz targets ask of a device's state, which is looked at at the end of an input.
#pragma once

#include "hv/fuzz/input.hpp"
#include "hv/testing/saved_state.hpp"

namespace devices::testing {

/// Put back into the device that it came from, it is what it was.
template <typename Device>
void check_state_stays(Device& device)
{
    hv::testing::SavedState before;
    before.save(device);
    before.restore(device);
    hv::testing::SavedState after;
    after.save(device);
    hv::fuzz::require(before.fields() == after.fields(), "a state that is put back is what it was");
}

/// The device is asked to come to rest, says what its state is, and goes on. What a backend still holds does not
/// matter.
template <typename Device, typename Executor>
void save_at_rest(Device& device, Executor& executor)
{
    device.quiesce({});
    executor.crank();
    hv::testing::SavedState saved;
    saved.save(device);
    device.resume();
}

} // namespace devices::testing
