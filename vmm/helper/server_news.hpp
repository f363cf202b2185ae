/// What is heard of a server that another process keeps for Porthole, of an image or of a TPM: one message each, over
/// a SOCK_SEQPACKET socket.
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace vmm::helper {

/// News of a server. False when nobody takes them.
bool send_connection(int socket, int connection);
bool send_end(int socket, std::string_view how);

struct ServerNews {
    UniqueFd connection{}; ///< it serves
    std::string end{};     ///< or it has ended, or never began: one line of printable characters
};
/// Waits so long, -1 for ever. Nothing when no news have come.
[[nodiscard]] std::optional<ServerNews> receive_server_news(int socket, int patience_ms);

/// What a program has said, as part of a line: its last one, with nothing in it but printable characters, cut.
[[nodiscard]] std::string last_words(std::string_view text);

} // namespace vmm::helper
