/// A network of the guest's own inside this process, by libslirp: DHCP, DNS, and connections to the outside that are
/// made by Porthole as any program makes them. Needs no privileges.
#pragma once

#include "devices/base/lock_rank.hpp"
#include "devices/net/backend_thread.hpp"
#include "devices/net/frame_backend.hpp"
#include "devices/net/port_forward.hpp"
#include "devices/net/slirp_sockets.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

struct Slirp;

namespace devices::net {

/// libslirp knows no threads: all calls into it are made on the backend's. The network is 10.0.2.0/24: the host is
/// .2, DNS .3, the first guest .15; and fec0::/64.
class UserNetwork final : public FrameBackend {
  public:
    /// One line for the user's log. Called on the backend's thread.
    using Warn = std::function<void(std::string const&)>;

    /// Throws std::runtime_error, with one line that says what to do, when a port of the host cannot be had.
    explicit UserNetwork(
        std::vector<PortForward> const& forwards, Warn warn = [](auto const&) {});
    ~UserNetwork() override { stop(); }

    [[nodiscard]] std::string description() const override { return "user"; }
    [[nodiscard]] SendOffloads send_offloads() const override { return {true, true, false}; }

    void start(FrameReceiver& receiver) override;
    void stop() override { thread_.end(); }
    /// Its time stands still then, so that no connection of the guest's is given up for that.
    void quiesce(hv::StillBusy busy) override { thread_.quiesce(std::move(busy)); }
    void resume() override { thread_.resume(); }
    bool send(Offload const& offload, std::span<iovec const> frame) override;
    void listen(ReceiveOffloads) override { listening_.store(true, std::memory_order_release); }
    void ignore() override { listening_.store(false, std::memory_order_release); }
    void room_again() override {} ///< what finds no room is lost, and TCP sends it again
    void inspect(hv::Inspector& inspector) const override;

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

    static constexpr std::size_t most_waiting = std::size_t{512} << 10; ///< bytes, with eight for each frame

    [[nodiscard]] std::int64_t now_ns() const;
    [[nodiscard]] std::int64_t now_ms() const { return now_ns() / 1'000'000; }
    void forward(std::vector<PortForward> const& forwards);
    void run();
    void poll();
    void fail_if_asked();
    void input_waiting();
    void expire_timers();
    void deliver(std::span<std::byte const> frame);

    Warn const warn_;
    FrameReceiver* receiver_ = nullptr;
    std::atomic<bool> listening_{false};
    std::atomic<std::uint64_t> send_dropped_{0};
    std::atomic<std::uint64_t> receive_dropped_{0};

    devices::Mutex<devices::LockRank::Leaf> lock_;
    std::vector<std::byte> waiting_; ///< frames for slirp, each with its size before it

    // The thread's.
    std::chrono::nanoseconds rested_{0};
    std::exception_ptr failure_; ///< of a callback: no exception may go through libslirp
    SlirpSockets sockets_;
    std::vector<std::byte> taken_;
    std::vector<pollfd> polled_;
    std::vector<std::unique_ptr<Timer>> timers_;
    std::unique_ptr<Slirp, Free> slirp_;
    BackendThread thread_{ThreadRole::UserNetwork};
};

} // namespace devices::net
