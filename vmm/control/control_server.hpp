/// The control socket: takes requests from its clients and hands them on.
#pragma once

#include "vmm/control/reply.hpp"
#include "vmm/control/request.hpp"
#include "vmm/host/unix_listener.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace vmm::control {

/// Works on the io_context. A client's requests are served one after the other: the next line is read when the answer
/// is written, so that no client has more than a line and an answer here.
class ControlServer {
  public:
    struct Limits {
        std::size_t clients = 32; ///< one more takes the place of one that does nothing
        std::chrono::milliseconds slow{
            1'000}; ///< that an answer may wait for its client when another wants its place
        std::chrono::milliseconds answer{60'000}; ///< then the client hears that there is none yet
        std::chrono::milliseconds write{30'000};  ///< then a client that does not read is let go
    };
    /// Called on the io_context for each request. Must not block; it may answer at once, or keep the reply.
    using Handle = std::function<void(Request, Reply)>;

    /// Listens at `path`; throws UserError. Clients are served from `start` on.
    ControlServer(boost::asio::io_context& io, std::string const& path, Handle handle)
        : ControlServer{io, path, std::move(handle), Limits{}}
    {}
    ControlServer(boost::asio::io_context& io, std::string const& path, Handle handle, Limits limits);
    /// When the io_context has stopped. `handle` is not called any more; replies may still come.
    ~ControlServer();

    void start();

  private:
    struct Shared;

    UnixListener const listener_;
    std::shared_ptr<Shared> shared_; // handlers share it
};

} // namespace vmm::control
