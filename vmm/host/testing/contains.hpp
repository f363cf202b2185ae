/// A matcher that Catch2 has under two names.
#pragma once

#include "hv/testing/catch.hpp"

#include <string>

namespace vmm::testing {

/// The text contains `part`. Catch2 3 calls it ContainsSubstring and gives the old name to ranges.
inline auto Contains(std::string const& part)
{
#if __has_include(<catch2/catch_all.hpp>)
    return Catch::Matchers::ContainsSubstring(part);
#else
    return Catch::Matchers::Contains(part);
#endif
}

} // namespace vmm::testing
