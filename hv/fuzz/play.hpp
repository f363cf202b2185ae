/// How an input becomes what happens in a target's world.
#pragma once

#include "hv/fuzz/input.hpp"

namespace hv::fuzz {

/// Has the world take steps as long as there is input, and end. What LLVMFuzzerTestOneInput returns.
template <typename World>
[[nodiscard]] int play(World& world, Input& input)
{
    while (!input.empty())
        world.step(input);
    world.end();
    return 0;
}

} // namespace hv::fuzz
