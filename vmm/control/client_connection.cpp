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
    : socket_{std::move(socket)},
      clients_{std::move(clients)},
      patience_{socket_.get_executor()},
      since_{std::chrono::steady_clock::now()},
      place_{clients_->connected.insert(clients_->connected.end(), this)}
{}

ClientConnection::~ClientConnection()
{
    close();
}

bool ClientConnection::is_idle() const
{
    boost::system::error_code failed;
    return state_ == State::Reading && input_.find('\n') == std::string::npos && socket_.available(failed) == 0;
}

bool ClientConnection::is_slow(std::chrono::milliseconds how_long) const
{
    return state_ == State::Answered && std::chrono::steady_clock::now() - since_ >= how_long;
}

void ClientConnection::dismiss()
{
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
    if (state_ == State::Reading) // in the middle of an answer it would be taken for part of it
        (void)socket_.write_some(boost::asio::buffer(error_line("let go, to make room for another client")), ignored);
    close();
}

void ClientConnection::enter(State state)
{
    if (state_ == State::Closed) return;
    state_ = state;
    since_ = std::chrono::steady_clock::now();
    auto& all = clients_->connected;
    all.splice(all.end(), all, place_);
}

void ClientConnection::read()
{
    enter(State::Reading);
    auto const taken = [self = shared_from_this()](boost::system::error_code const& error, std::size_t size) {
        if (error == boost::asio::error::not_found)
            return self->write(error_line("the request is longer than 64 KiB"), true);
        if (error || self->state_ == State::Closed) return self->close();
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
    enter(State::Served);
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
    if (request != request_ || state_ != State::Served) return;
    write(std::move(line), false);
}

void ClientConnection::write(std::string line, bool last)
{
    enter(State::Answered);
    output_ = std::move(line);
    patience_.expires_after(clients_->limits.write);
    patience_.async_wait([self = shared_from_this(), number = request_](boost::system::error_code const& error) {
        if (!error && self->request_ == number && !self->output_.empty()) self->close();
    });
    boost::asio::async_write(socket_, boost::asio::buffer(output_),
                             [self = shared_from_this(), last](boost::system::error_code const& error, std::size_t) {
                                 self->patience_.cancel();
                                 self->output_ = {};
                                 if (error || last || self->state_ == State::Closed) return self->close();
                                 self->read();
                             });
}

void ClientConnection::close()
{
    boost::system::error_code ignored;
    patience_.cancel();
    socket_.close(ignored);
    if (std::exchange(state_, State::Closed) != State::Closed) clients_->connected.erase(place_);
}

} // namespace vmm::control
