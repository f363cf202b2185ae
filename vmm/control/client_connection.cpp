#include "vmm/control/client_connection.hpp"

#include "vmm/base/user_error.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <new>
#include <utility>

namespace vmm::control {

ClientConnection::ClientConnection(boost::asio::local::stream_protocol::socket socket,
                                   std::shared_ptr<Clients> clients)
    : socket_{std::move(socket)}, clients_{std::move(clients)}, patience_{socket_.get_executor()}
{
    ++clients_->connected;
}

ClientConnection::~ClientConnection()
{
    --clients_->connected;
}

void ClientConnection::read()
{
    auto const taken = [self = shared_from_this()](boost::system::error_code const& error, std::size_t size) {
        if (error == boost::asio::error::not_found)
            return self->write(error_line("the request is longer than 64 KiB"), true);
        if (error) return self->close();
        std::string const line{self->input_, 0, size - 1};
        self->input_.erase(0, size);
        self->handle(line);
    };
    boost::asio::async_read_until(socket_, boost::asio::dynamic_buffer(input_, Request::longest_line + 1), '\n',
                                  taken);
}

void ClientConnection::handle(std::string_view line)
{
    if (!clients_->handle) return close();
    ++request_;
    answered_ = false;
    auto const answer_to = reply();
    await_answer();
    try {
        clients_->handle(parse_request(line), answer_to);
    } catch (UserError const& error) {
        answer_to.fail(error.what());
    }
}

/// Answers come from any thread, and perhaps after the client, or its patience, has gone.
Reply ClientConnection::reply()
{
    auto const send = [client = weak_from_this(), io = socket_.get_executor(), number = request_](std::string line) {
        boost::asio::post(io, [client, number, line = std::move(line)]() mutable {
            if (auto const self = client.lock()) self->answer(number, std::move(line));
        });
    };
    return Reply{send};
}

void ClientConnection::await_answer()
{
    patience_.expires_after(clients_->limits.answer);
    patience_.async_wait([self = shared_from_this(), number = request_](boost::system::error_code const& error) {
        if (!error) self->answer(number, error_line("there is no answer yet; what was asked for may still happen"));
    });
}

void ClientConnection::answer(std::uint64_t request, std::string line)
{
    if (request != request_ || std::exchange(answered_, true)) return;
    write(std::move(line), false);
}

void ClientConnection::write(std::string line, bool last)
{
    output_ = std::move(line);
    patience_.expires_after(clients_->limits.write);
    patience_.async_wait([self = shared_from_this(), number = request_](boost::system::error_code const& error) {
        if (!error && self->request_ == number && !self->output_.empty()) self->close();
    });
    boost::asio::async_write(socket_, boost::asio::buffer(output_),
                             [self = shared_from_this(), last](boost::system::error_code const& error, std::size_t) {
                                 self->patience_.cancel();
                                 self->output_ = {};
                                 if (error || last) return self->close();
                                 self->read();
                             });
}

void ClientConnection::close()
{
    boost::system::error_code ignored;
    patience_.cancel();
    socket_.close(ignored);
}

} // namespace vmm::control
