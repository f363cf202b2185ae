/// All of a guest's memory at one moment.
#pragma once

#include "hv/base/guest_memory.hpp"

#include <cstddef>
#include <vector>

namespace hv::testing {

[[nodiscard]] inline std::vector<std::byte> snapshot(GuestMemory const& memory)
{
    std::vector<std::byte> all;
    for (auto const& region : memory.regions())
        all.insert(all.end(), region.host, region.host + region.size);
    return all;
}

} // namespace hv::testing
