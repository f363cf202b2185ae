/// What Porthole asks of the process that starts servers of images: one message each, over a SOCK_SEQPACKET socket.
///
/// A request has the socket beside it on which its image's server is told of from then on (server_news.hpp): that it
/// serves, with its connection, or why not, and how it has ended. The other end of that socket is what keeps the
/// server.
#pragma once

#include "devices/block/image_server.hpp"
#include "vmm/host/unique_fd.hpp"

#include <cstddef>
#include <optional>
#include <span>

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

} // namespace vmm::helper
