#include "vmm/helper/image_servers.hpp"

#include "devices/base/os_error.hpp"
#include "devices/block/backend.hpp"
#include "devices/block/image_server.hpp"
#include "vmm/helper/image_messages.hpp"
#include "vmm/helper/server_news.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
#include <string>
#include <sys/socket.h>
#include <utility>

namespace vmm::helper {

namespace {

using devices::block::ImageRequest;
using devices::block::ImageServer;
using devices::block::OpenError;

std::mutex mutex;
std::shared_ptr<ForkedHelper const> current; ///< under the mutex; who asks it keeps it

class Supervised final : public ImageServer {
  public:
    Supervised(UniqueFd socket, UniqueFd connection) : socket_{std::move(socket)}, connection_{std::move(connection)}
    {}

    UniqueFd take_connection() override { return std::move(connection_); }

    std::string how_it_ended() override
    {
        constexpr int patience_ms = 3000; // its connection closes before it is known how it ended
        auto const news = receive_server_news(socket_.get(), patience_ms);
        return news && !news->end.empty() ? news->end : "is not watched any more";
    }

    void end() override
    {
        constexpr int patience_ms = 10'000;
        connection_.reset();
        ::shutdown(socket_.get(), SHUT_WR);
        (void)receive_server_news(socket_.get(), patience_ms); // or its end
    }

  private:
    UniqueFd const socket_;
    UniqueFd connection_;
};

/// It waits for as long as the file system lets the supervisor wait, and qemu-nbd takes to open the image.
std::unique_ptr<ImageServer> start_server(ImageRequest const& request)
{
    constexpr int without_limit = -1;
    auto const refuse = [&](std::string const& why) { throw OpenError{"disk image '" + request.image + "' " + why}; };
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        refuse("cannot be served: " + devices::os_error(errno));
    UniqueFd here{ends[0]};
    UniqueFd there{ends[1]};
    auto const servers = [] {
        std::lock_guard const lock{mutex};
        return current;
    }();
    if (!servers) refuse("cannot be served: the run is at its end");
    auto const error = send_image_request(servers->socket.get(), request, std::move(there));
    if (error == EPIPE) refuse("cannot be served: the process that starts qemu-nbd (porthole-images) has ended");
    if (error != 0) refuse("cannot be served: " + devices::os_error(error));
    auto news = receive_server_news(here.get(), without_limit);
    if (!news) refuse("cannot be served: the process that looks after it has ended");
    if (!news->connection) refuse(news->end);
    return std::make_unique<Supervised>(std::move(here), std::move(news->connection));
}

} // namespace

ImageServers::ImageServers(std::span<int const> kept, RunOptions const& options)
{
    current = std::make_shared<ForkedHelper const>(
        fork_helper([&](UniqueFd socket) { run_image_servers(std::move(socket), kept, options); }));
    devices::block::set_image_starter(start_server);
}

ImageServers::~ImageServers()
{
    devices::block::set_image_starter(nullptr);
    std::lock_guard const lock{mutex};
    current.reset();
}

} // namespace vmm::helper
