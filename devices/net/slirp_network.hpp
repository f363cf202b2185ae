/// libslirp: a network of the guest's own, with DHCP, DNS, and connections to the outside that are made by this
/// process as any program makes them. Needs no privileges.
#pragma once

#include "devices/net/port_forward.hpp"
#include "devices/net/slirp_sockets.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <poll.h>
#include <span>
#include <string>
#include <vector>

struct Slirp;

namespace devices::net {

/// What a network serves to whoever boots from it: the files of a folder, by TFTP, for reading.
struct BootFiles {
    std::string folder{}; ///< path; empty: it serves none
    std::string name{};   ///< of the one that DHCP names; empty: it names none
};

/// libslirp knows no threads: all calls are made on one. Whoever has this waits for what it waits for: `add_polled`,
/// poll(2), `work`, and so on. The network is 10.0.2.0/24: the host is .2, DNS .3, the first guest .15; and
/// fec0::/64. Its faults are those of a large C library that reads what guests and strangers send.
class SlirpNetwork {
  public:
    /// A frame for the guest, whose checksums are right. May throw: the call that it came from does then.
    using ToGuest = std::function<void(std::span<std::byte const>)>;
    /// One line for the user's log; each of few once.
    using Warn = std::function<void(std::string const&)>;

    /// Throws std::runtime_error, with one line that says what to do, when a port of the host cannot be had.
    SlirpNetwork(std::vector<PortForward> const& forwards, ToGuest to_guest, Warn warn, BootFiles const& files = {});

    /// Appends the descriptors that it waits for. For how many milliseconds at most; -1 for ever.
    [[nodiscard]] int add_polled(std::vector<pollfd>& polled);
    /// After poll(2). `polled` are all, those of others before them included; `failed`: it could not wait.
    void work(std::span<pollfd const> polled, bool failed);

    /// A frame of the guest's, checksums filled in. False when it is dropped.
    [[nodiscard]] bool input(std::span<std::byte> frame);

    /// Its time has stood still for so long.
    void rested(std::chrono::nanoseconds time) { rested_ += time; }

  private:
    struct Callbacks;
    struct Timer {
        static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

        void (*callback)(void*);
        void* argument;
        std::int64_t expires_ms = never;
    };
    struct Free {
        void operator()(Slirp* slirp) const;
    };

    [[nodiscard]] std::int64_t now_ns() const;
    [[nodiscard]] std::int64_t now_ms() const { return now_ns() / 1'000'000; }
    void forward(std::vector<PortForward> const& forwards);
    void fail_if_asked();
    void expire_timers();

    ToGuest const to_guest_;
    std::chrono::nanoseconds rested_{0};
    std::exception_ptr failure_; ///< of a callback: no exception may go through libslirp
    SlirpSockets sockets_;
    std::vector<pollfd>* polled_ = nullptr; ///< while libslirp says what it waits for
    std::span<pollfd const> looked_at_;     ///< while it asks what has come of that
    std::vector<std::unique_ptr<Timer>> timers_;
    std::unique_ptr<Slirp, Free> slirp_;
};

} // namespace devices::net
