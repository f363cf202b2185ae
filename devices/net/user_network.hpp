/// A network of the guest's own, with DHCP, DNS, and connections to the outside that are made by a process of
/// Porthole's as any program makes them. Needs no privileges. What reads the guest's packets, libslirp, is at the
/// other end of a link, in that process: UserNetworkService.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/net/backend_thread.hpp"
#include "devices/net/frame_backend.hpp"
#include "devices/net/frame_ring.hpp"
#include "devices/net/user_network_link.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace devices::net {

/// The process at the other end, as its parent has it. Ends with this, and is not waited for long.
class NetworkProcess {
  public:
    NetworkProcess() = default;
    NetworkProcess(NetworkProcess const&) = delete;
    NetworkProcess& operator=(NetworkProcess const&) = delete;
    virtual ~NetworkProcess() = default;

    /// It is about to end by itself, and does so now: "was ended by signal 11 (Segmentation fault)". Waits for it,
    /// but not long.
    [[nodiscard]] virtual std::string how_it_ended() = 0;
    virtual void kill() = 0;
};

class UserNetwork final : public FrameBackend {
  public:
    /// One line for the user's log. Called on the backend's thread.
    using Warn = std::function<void(std::string const&)>;

    /// Waits for the network to work. Throws std::runtime_error, with one line that says what to do, when a port of
    /// the host cannot be had, or the process does not say for long that it works. `process` may be nullptr.
    UserNetwork(LinkEnd link, std::unique_ptr<NetworkProcess> process, Warn warn);
    ~UserNetwork() override { stop(); }

    [[nodiscard]] std::string description() const override { return "user"; }
    [[nodiscard]] SendOffloads send_offloads() const override { return {true, true, false}; }

    void start(FrameReceiver& receiver) override;
    void stop() override { thread_.end(); }
    /// The network's time stands still then, so that no connection of the guest's is given up for that.
    void quiesce(hv::StillBusy busy) override;
    void resume() override;
    bool send(Offload const& offload, std::span<iovec const> frame) override;
    void listen(ReceiveOffloads) override { listening_.store(true, std::memory_order_release); }
    void ignore() override { listening_.store(false, std::memory_order_release); }
    void room_again() override;
    void inspect(hv::Inspector& inspector) const override;

  private:
    class Source;

    void await_ready();
    [[nodiscard]] std::string how_it_ended();
    void run();
    void take_messages();
    [[nodiscard]] bool bring_frames();
    void tell(LinkMessage message);

    static constexpr unsigned most_warnings = 16;

    Warn const warn_;
    std::unique_ptr<NetworkProcess> process_;
    LinkMemory const memory_;
    LinkSocket socket_; ///< sends from any thread, receives on the backend's
    FrameReceiver* receiver_ = nullptr;
    std::atomic<bool> listening_{false};
    std::atomic<bool> blocked_{false}; ///< the receiver has no room
    std::atomic<bool> deaf_{false};    ///< the process does not read what it is told
    std::atomic<std::uint64_t> send_dropped_{0};
    std::atomic<std::uint64_t> receive_dropped_{0};

    Guarded<FrameWriter, LockRank::Leaf> to_network_;

    // The thread's.
    FrameReader to_guest_;
    unsigned warnings_ = 0;
    BackendThread thread_{ThreadRole::UserNetwork};
};

} // namespace devices::net
