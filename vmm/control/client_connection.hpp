/// One client of the control socket.
#pragma once

#include "vmm/control/control_server.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace vmm::control {

/// What the clients of a server have in common.
struct Clients {
    ControlServer::Handle handle; ///< empty: the server is gone
    ControlServer::Limits const limits;
    std::size_t connected = 0;
};

/// Reads a line, has it handled, writes the answer, and reads the next. On the io_context; lives as long as one of
/// these is under way.
class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
  public:
    ClientConnection(boost::asio::local::stream_protocol::socket socket, std::shared_ptr<Clients> clients);
    ClientConnection(ClientConnection const&) = delete;
    ClientConnection& operator=(ClientConnection const&) = delete;
    ~ClientConnection();

    void start() { read(); }

  private:
    void read();
    void handle(std::string_view line);
    [[nodiscard]] Reply reply();
    void await_answer();
    void answer(std::uint64_t request, std::string line);
    void write(std::string line, bool last);
    void close();

    boost::asio::local::stream_protocol::socket socket_;
    std::shared_ptr<Clients> const clients_;
    boost::asio::steady_timer patience_;
    std::string input_;
    std::string output_;
    std::uint64_t request_ = 0; ///< the newest one's number
    bool answered_ = true;
};

} // namespace vmm::control
