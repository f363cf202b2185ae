/// The sockets that a user-mode network makes, and who is at their other ends: the calls of the C library that
/// libslirp uses are replaced in this program (outside.cpp), so that no packet leaves it, and the same input does the
/// same.
#pragma once

#include "devices/base/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <sys/socket.h>
#include <vector>

namespace devices::fuzz {

/// One at a time.
class Outside {
  public:
    Outside();
    Outside(Outside const&) = delete;
    Outside& operator=(Outside const&) = delete;
    ~Outside();

    [[nodiscard]] static Outside* current();

    /// After so many calls one fails, with one of the errors that a kernel has for it.
    void fail_after(unsigned calls, unsigned which_error);
    void fail_no_more() { fails_after_.reset(); }

    /// Those at the other ends, in the order in which their sockets were made; numbers are modulo their count. Who
    /// sends datagrams cannot end anything.
    void say(unsigned peer, std::span<std::byte const> bytes);
    void say_much(unsigned peer, std::size_t size);
    void take_all(unsigned peer);
    void say_no_more(unsigned peer);
    void go(unsigned peer);
    /// Somebody connects to one of the ports that are listened at.
    void connect_from_outside(unsigned listener);
    /// All go.
    void end() { peers_.clear(); }

    /// Those that the network has made, open or not.
    [[nodiscard]] std::vector<int> const& descriptors() const { return made_; }

    // What the replaced calls do.
    [[nodiscard]] bool fails(std::initializer_list<int> errors);
    int make(int family, int type);
    int listen(int fd);
    int connect(int fd, sockaddr const* address);
    int accept(int fd, sockaddr* address, socklen_t* size);
    ssize_t send_to(int fd, void const* data, std::size_t size, int flags, sockaddr const* address);
    ssize_t receive_from(int fd, void* data, std::size_t size, int flags, sockaddr* address, socklen_t* address_size);
    int name(int fd, sockaddr* address, socklen_t* size) const;
    /// Who has gone has no name any more, as for a TCP socket: a UNIX socket would go on telling it.
    int peer_name(int fd, sockaddr* address, socklen_t* size) const;

  private:
    struct Socket {
        int family = AF_INET;
        bool is_stream = true;
        sockaddr_storage last{}; ///< whom it has sent to
    };

    struct Peer {
        UniqueFd fd;
        bool is_stream = true;
    };

    [[nodiscard]] int peer_at(unsigned number) const;
    void give_address(int fd, sockaddr* address, socklen_t* size) const;

    std::optional<unsigned> fails_after_;
    unsigned which_error_ = 0;
    UniqueFd listener_; ///< what the network connects to
    std::vector<Peer> peers_;
    std::vector<int> listening_;
    std::vector<int> made_;
    std::map<int, Socket> sockets_; ///< by descriptor; also of ones that are closed
};

} // namespace devices::fuzz
