/// Frames through a tap device of the host: what the guest sends, the host's kernel receives, and the reverse.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/net/backend_thread.hpp"
#include "devices/net/frame_backend.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace devices::net {

class Tap final : public FrameBackend, FrameSource {
  public:
    /// Attaches to the interface, which must exist, by as many queues as there are channels if it has several queues,
    /// else by one. `report` gets a line when it goes away, on the backend's thread.
    /// Throws std::runtime_error with one line that says what to do.
    Tap(std::string name, std::size_t channels, std::function<void(std::string const&)> report);
    ~Tap() override { stop(); }

    [[nodiscard]] std::string description() const override { return "tap " + name_; }
    [[nodiscard]] SendOffloads send_offloads() const override { return {true, true, true}; }

    void start(FrameReceiver& receiver) override;
    void stop() override { thread_.end(); }
    void quiesce(hv::StillBusy busy) override { thread_.quiesce(std::move(busy)); }
    void resume() override { thread_.resume(); }
    bool send(Offload const& offload, std::span<iovec const> frame) override { return send_on(0, offload, frame); }
    bool send_on(std::size_t channel, Offload const& offload, std::span<iovec const> frame) override;
    void use_channels(std::size_t count) override;
    void listen(ReceiveOffloads offloads) override;
    void ignore() override { listening_.store(false, std::memory_order_release); }
    void room_again() override;
    [[nodiscard]] hv::vmbus::Runner* runner() override { return &thread_; }
    void inspect(hv::Inspector& inspector) const override;

  private:
    [[nodiscard]] std::size_t read(Offload& offload, std::span<iovec const> into) override;
    static constexpr std::size_t all_frames = ~std::size_t{0};

    void run();
    void end(std::string const& why);
    void watch(bool wanted);
    void discard_waiting();
    void attach_queues();

    std::string const name_;
    std::function<void(std::string const&)> const report_;
    std::vector<UniqueFd> queues_; ///< of one interface
    UniqueFd poll_;
    FrameReceiver* receiver_ = nullptr;
    bool watched_ = false;        ///< the thread's: the tap's frames wake it
    int reading_ = -1;            ///< likewise: the queue
    std::size_t attached_ = 1;    ///< likewise: queues from the first on that the kernel uses
    std::size_t frames_left_ = 0; ///< likewise: of this turn
    std::atomic<bool> listening_{false};
    std::atomic<bool> resumed_{false};
    std::atomic<std::size_t> channels_{1}; ///< that are open
    std::atomic<bool> gone_{false};
    std::atomic<std::uint64_t> refused_{0}; ///< frames that the kernel did not take
    BackendThread thread_{ThreadRole::Tap};
};

} // namespace devices::net
