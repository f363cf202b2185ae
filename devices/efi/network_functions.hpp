/// What EFI_SIMPLE_NETWORK_PROTOCOL does on a network card of the guest's.
#pragma once

#include "devices/efi/network.hpp"

namespace efi {

/// The protocol, without its event.
[[nodiscard]] SimpleNetwork network_functions(NetworkCard& card);

/// Of the protocol's event. `context` is the card.
void wait_for_packet(Event event, void* context);
/// The operating system takes over: the host is not to keep frames for this any longer.
void end_network(Event event, void* context);

} // namespace efi
