/// The host's sockets that a user-mode network has: how many there are, and what happens when there can be no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace devices::net {

/// For the thread that calls libslirp.
class SlirpSockets {
  public:
    static constexpr std::size_t most_streams = 1000; ///< each has 256 KiB in libslirp for what is under way
    static constexpr std::size_t most = 2 * most_streams;
    static constexpr std::int64_t pause_ms = 1000;

    /// `report` gets a line when there is no descriptor left for a socket, and one when there are as many as there
    /// may be: each once.
    explicit SlirpSockets(std::function<void(std::string const&)> report) : report_{std::move(report)} {}

    /// What the host's ports are forwarded by. Listens as a server does if it is one of TCP: libslirp itself lets a
    /// single connection wait, and others' first packets are lost. Nothing waits for it.
    void forwarding(int fd);
    /// libslirp has made a socket, or could not: -1. Nothing waits for it.
    void opened(int fd);
    /// It ends one; -1 for one that it could not make.
    void closed(int fd);

    /// Looks from time to time whether there are descriptors left: libslirp tells nobody when it gets no socket.
    void look(std::int64_t now_ms);

    /// Whether a connection may be accepted now. When not, none is for `pause_ms`: a port that always has one waiting
    /// must not keep the thread busy.
    [[nodiscard]] bool may_accept(std::int64_t now_ms);
    [[nodiscard]] bool listens(int fd) const;
    /// Whether nothing can be read from a forwarded port of UDP that is said to be readable: a datagram with a wrong
    /// checksum has come, which the kernel drops when the socket is read. libslirp takes that for an error that is to
    /// be told to the guest, and finds no packet of the guest's.
    [[nodiscard]] bool readable_in_vain(int fd) const;
    /// The end of the pause, or 0 when there is none.
    [[nodiscard]] std::int64_t paused_until(std::int64_t now_ms);

    /// Whether the guest's frame may go to libslirp: not when it could open a socket beyond the most.
    [[nodiscard]] bool admits(std::span<std::byte const> frame);

    [[nodiscard]] std::size_t count() const { return count_; }

  private:
    [[nodiscard]] bool descriptor_left();
    void at_the_most();

    std::function<void(std::string const&)> const report_;
    std::vector<int> listeners_;
    std::vector<int> datagram_ports_;
    std::size_t count_ = 0;
    std::int64_t paused_until_ms_ = 0;
    std::int64_t looked_ms_ = 0;
    bool said_no_descriptor_ = false;
    bool said_most_ = false;
};

} // namespace devices::net
