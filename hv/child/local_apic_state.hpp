/// A local APIC's registers, between the page that they lie in and the structure that parents know.
#pragma once

#include "hv/abi/vp_state.hpp"

#include <array>
#include <cstddef>

namespace hv {

/// As far as there are registers (Intel SDM vol. 3 §11.4.1).
using LocalApicPage = std::array<std::byte, 1024>;

[[nodiscard]] abi::LocalApicState state_of(LocalApicPage const& page);
/// Into what the page has already; its ID and version stay.
void put_state(LocalApicPage& page, abi::LocalApicState const& state);

} // namespace hv
