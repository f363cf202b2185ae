#include "vmm/control/control_server.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/control/client_connection.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace vmm::control {

using boost::asio::local::stream_protocol;

struct ControlServer::Shared : std::enable_shared_from_this<Shared> {
    Shared(boost::asio::io_context& context, int fd, Handle handle, Limits const& bounds)
        : io{context},
          acceptor{context, stream_protocol{}, fd},
          pause{context},
          clients{std::make_shared<Clients>(Clients{std::move(handle), bounds})}
    {}

    void accept()
    {
        acceptor.async_accept([self = shared_from_this()](boost::system::error_code const& error, auto socket) {
            if (error == boost::asio::error::operation_aborted) return;
            if (error) return self->accept_later();
            self->admit(std::move(socket));
            self->accept();
        });
    }

    /// For want of descriptors or memory, which others may give back.
    void accept_later()
    {
        pause.expires_after(std::chrono::milliseconds{100});
        pause.async_wait([self = shared_from_this()](boost::system::error_code const& error) {
            if (!error) self->accept();
        });
    }

    /// Idle clients, then those that do not take their answers: without any, all have something under way.
    void make_room() const
    {
        auto& all = clients->connected;
        if (all.size() < clients->limits.clients) return;
        auto found = std::ranges::find_if(all, &ClientConnection::is_idle);
        if (found == all.end())
            found = std::ranges::find_if(all, [this](auto* one) { return one->is_slow(clients->limits.slow); });
        if (found != all.end()) (*found)->dismiss();
    }

    void admit(stream_protocol::socket socket) const
    {
        make_room();
        if (clients->connected.size() < clients->limits.clients)
            return std::make_shared<ClientConnection>(std::move(socket), clients)->start();
        auto const line = error_line("there are too many clients: " + std::to_string(clients->limits.clients));
        boost::system::error_code ignored;
        socket.non_blocking(true, ignored);
        (void)socket.write_some(boost::asio::buffer(line), ignored);
    }

    boost::asio::io_context& io;
    stream_protocol::acceptor acceptor;
    boost::asio::steady_timer pause;
    std::shared_ptr<Clients> clients;
};

ControlServer::ControlServer(boost::asio::io_context& io, std::string const& path, Handle handle, Limits limits)
    : listener_{"--control", path}
{
    int const fd = ::dup(listener_.fd()); // the acceptor closes its own
    if (fd < 0) throw UserError{"--control: " + devices::os_error(errno)};
    shared_ = std::make_shared<Shared>(io, fd, std::move(handle), limits);
}

ControlServer::~ControlServer()
{
    boost::system::error_code ignored;
    shared_->acceptor.close(ignored);
    shared_->pause.cancel();
    shared_->clients->handle = nullptr;
}

void ControlServer::start()
{
    shared_->accept();
}

} // namespace vmm::control
