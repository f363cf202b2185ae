/// One client of the control socket.
#pragma once

#include "vmm/control/control_server.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

namespace vmm::control {

class ClientConnection;

/// What the clients of a server have in common.
struct Clients {
    ControlServer::Handle handle; ///< empty: the server is gone
    ControlServer::Limits const limits;
    std::list<ClientConnection*> connected{}; ///< whoever has waited longest for anything to happen comes first
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

    /// Whether it has no request here, not even one that is still to be read.
    [[nodiscard]] bool is_idle() const;
    /// Whether its answer has waited for it for so long.
    [[nodiscard]] bool is_slow(std::chrono::milliseconds how_long) const;
    /// Makes room for another.
    void dismiss();

  private:
    enum class State { Reading, Served, Answered, Closed };

    void read();
    void enter(State state);
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
    State state_ = State::Reading;
    std::chrono::steady_clock::time_point since_;  ///< that it is in this state
    std::list<ClientConnection*>::iterator place_; ///< among those that are connected
};

} // namespace vmm::control
