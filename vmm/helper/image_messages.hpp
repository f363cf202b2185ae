/// What Porthole asks of the process that starts servers of images, and what it hears of them: one message each, over
/// SOCK_SEQPACKET sockets.
///
/// A request has the socket beside it on which its image's server is told of from then on: that it serves, with its
/// connection, or why not, and how it has ended. The other end of that socket is what keeps the server.
#pragma once

#include "devices/block/image_server.hpp"
#include "vmm/host/unique_fd.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vmm::helper {

/// The format's number, two flags, and the names of image and backing folder with a NUL between them. Nothing when
/// these bytes are no request.
[[nodiscard]] std::optional<devices::block::ImageRequest> parse_image_request(std::span<std::byte const> bytes);

/// `answer` becomes the server's. 0, or an errno.
[[nodiscard]] int send_image_request(int socket, devices::block::ImageRequest const& request, UniqueFd answer);

/// The next request on a socket.
struct ArrivedImageRequest {
    bool end = false;                                      ///< there is no other end any more
    std::optional<devices::block::ImageRequest> request{}; ///< nothing for nonsense
    UniqueFd answer{};
};
[[nodiscard]] ArrivedImageRequest receive_image_request(int socket);

/// News of a server. False when nobody takes them.
bool send_connection(int socket, int connection);
bool send_end(int socket, std::string_view how);

struct ImageNews {
    UniqueFd connection{}; ///< it serves
    std::string end{};     ///< or it has ended, or never began: one line of printable characters
};
/// Waits so long, -1 for ever. Nothing when no news have come.
[[nodiscard]] std::optional<ImageNews> receive_image_news(int socket, int patience_ms);

/// What a program has said, as part of a line: its last one, with nothing in it but printable characters, cut.
[[nodiscard]] std::string last_words(std::string_view text);

} // namespace vmm::helper
