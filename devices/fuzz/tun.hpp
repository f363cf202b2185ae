/// A tun device of Linux with one interface, as far as Porthole uses it (drivers/net/tun.c there): the calls of the C
/// library are replaced in this program (tun.cpp), and a queue is one end of a pair of sockets.
#pragma once

#include "devices/base/unique_fd.hpp"

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <sys/uio.h>
#include <vector>

namespace devices::fuzz {

/// One at a time.
class Tun {
  public:
    struct Queue {
        UniqueFd host;
        bool attached = false;
        std::deque<std::vector<std::byte>> waiting{}; ///< sent by the host and not read yet, each with its header
    };

    explicit Tun(bool several_queues);
    Tun(Tun const&) = delete;
    Tun& operator=(Tun const&) = delete;
    ~Tun();

    [[nodiscard]] static Tun* current();

    bool gone = false; ///< the interface
    std::vector<std::unique_ptr<Queue>> queues;
    Queue* read_last = nullptr;

    /// After so many calls one fails, with that errno.
    void fail_after(unsigned calls, int error);
    void fail_no_more() { fails_after_.reset(); }
    [[nodiscard]] bool will_fail() const { return fails_after_.has_value(); }

    /// To that queue, or another one if the tap does not use it.
    void send(unsigned number, std::vector<std::byte> const& frame);
    /// What has come from the tap by that queue, at most `size` bytes; empty when nothing has.
    [[nodiscard]] std::vector<std::byte> receive(std::size_t number, std::size_t size);

    [[nodiscard]] std::size_t waiting() const;
    void forget_waiting();

    // What the replaced calls do.
    [[nodiscard]] bool fails();
    int open();
    int control(int fd, unsigned long request, void* argument);
    ssize_t read(int fd, iovec const* pieces, int count);
    ssize_t write(int fd, iovec const* pieces, int count);

  private:
    static void set_attached(int fd, Queue& queue, bool attached);

    bool const several_queues_;
    std::optional<unsigned> fails_after_;
    int error_ = 0;
    std::map<int, Queue*> by_descriptor_;
};

} // namespace devices::fuzz
