/// Which files a run uses by their names once its guests run.
#pragma once

#include "vmm/jail/landlock.hpp"
#include "vmm/options/run_options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmm::jail {

/// Rules for Porthole itself: the folders of its sockets, and what names of servers are looked up by. A file that is
/// not there is left out: whoever needs it says so.
[[nodiscard]] Landlock rules_for(RunOptions const& options);

/// Rules for the process that opens what guests are made of, and disks below the folders of --allow: the folders that
/// these lie in, for that process to choose the files.
[[nodiscard]] Landlock file_rules_for(RunOptions const& options);

/// Whether a guest has a disk on an NBD server, or may be given one.
[[nodiscard]] bool has_servers(RunOptions const& options);

/// Whether a guest has a disk that qemu-nbd serves, or may be given one.
[[nodiscard]] bool has_served_images(RunOptions const& options);

/// The TCP port of an NBD server's URI; nothing for one on a UNIX socket, or what is no port.
[[nodiscard]] std::optional<std::uint16_t> server_port(std::string_view uri);

/// Whether a guest has a card with a user-mode network, which is a process of its own; or one on a tap.
[[nodiscard]] bool has_user_network(RunOptions const& options);
[[nodiscard]] bool has_tap(RunOptions const& options);

/// Whether a guest has a display that is to be seen by VNC.
[[nodiscard]] bool has_vnc(RunOptions const& options);
/// And that by a password.
[[nodiscard]] bool has_vnc_password(RunOptions const& options);

/// Descriptors that the options name by /dev/fd/N or /proc/self/fd/N, and the standard streams.
[[nodiscard]] std::vector<int> named_descriptors(RunOptions const& options);

} // namespace vmm::jail
