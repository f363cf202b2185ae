/// A guest that accesses synthetic MSRs.
#pragma once

#include "hv/testing/fabric.hpp"

namespace hv::testing {

struct MsrGuest {
    PartitionRegistry registry;
    TestGuest guest;

    explicit MsrGuest(Rights rights = Rights::ordinary()) : guest{registry, rights} {}

    [[nodiscard]] std::optional<std::uint64_t> read(std::uint32_t number, unsigned vp = 0) const
    {
        return guest.vp(vp).read_msr(number);
    }
    [[nodiscard]] bool write(std::uint32_t number, std::uint64_t value, unsigned vp = 0) const
    {
        return guest.vp(vp).write_msr(number, value);
    }
};

/// All rights but these.
inline Rights lacking(std::optional<Privilege> privilege, std::optional<Feature> feature = {})
{
    auto rights = Rights::root();
    if (privilege) rights.set(*privilege, false);
    if (feature) rights.set(*feature, false);
    return rights;
}

} // namespace hv::testing
