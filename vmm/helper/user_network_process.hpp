/// The process of a user-mode network.
#pragma once

#include <span>

namespace vmm::helper {

/// Its whole life, with the arguments and descriptors that `start_user_network` gives; `arguments` begin with the
/// guest. What reads the guest's packets has the network and nothing else: no file but the host's resolv.conf and
/// those of the folder that it serves by TFTP, which it asks for, no process, no privilege. Returns the exit status.
[[nodiscard]] int run_user_network(std::span<char* const> arguments);

} // namespace vmm::helper
