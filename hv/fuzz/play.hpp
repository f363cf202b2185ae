/// How an input becomes what happens in a target's world.
#pragma once

#include "hv/fuzz/input.hpp"

namespace hv::fuzz {

/// Inputs may be large, and a step may take some 100 µs with sanitizers.
inline constexpr unsigned most_steps = 4096;

/// Has the world take steps as long as there is input, and end. What LLVMFuzzerTestOneInput returns.
template <typename World>
[[nodiscard]] int play(World& world, Input& input)
{
    for (unsigned steps = 0; !input.empty() && steps < most_steps; ++steps)
        world.step(input);
    world.end();
    return 0;
}

} // namespace hv::fuzz
