/// One connection: bytes between a channel and a UNIX socket, both ways, until both ends have said all.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/base/unique_fd.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "devices/vmbus/channel/deferred_calls.hpp"
#include "devices/vmbus/socket/poller.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace devices::vmbus::socket {

class Connection final : public hv::vmbus::ChannelDevice, public std::enable_shared_from_this<Connection>, Served {
  public:
    static constexpr TurnLimits turn_limits{.packets = 32};

    struct Parts {
        std::uint64_t id;     ///< by which the poller knows the socket
        UniqueFd host;        ///< connected, does not block
        std::string greeting; ///< what the host is told once the guest has opened the channel
        std::shared_ptr<Poller const> poller;
        std::function<void()> ended; ///< called once, without a lock, on any thread
    };

    /// `runner` outlives it.
    Connection(Parts parts, hv::vmbus::Runner& runner) : worker_{*this, runner, turn_limits}, ends_{std::move(parts)}
    {}

    /// The host's socket is ready, on the poller's thread.
    void host_ready();
    /// Ends the connection, whatever is under way.
    void end();
    [[nodiscard]] bool was_opened() const;

    void open(std::shared_ptr<hv::vmbus::Channel> channel) override;
    void signalled() override;
    void close() override;
    /// All that it writes for the guest it writes in turns of its worker; the bytes wait in the socket.
    void quiesce(hv::StillBusy busy) override { worker_.quiesce(std::move(busy)); }
    void resume() override { worker_.resume(); }
    void inspect(hv::Inspector& inspector) const override;
    /// The host's socket does not go elsewhere: a connection ends when it is restored, and its channel is taken back.
    void visit(hv::StateVisitor& visitor) override;

  private:
    [[nodiscard]] Left serve(Turn& turn) override;
    [[nodiscard]] std::weak_ptr<void> owner() override { return weak_from_this(); }

    struct State {
        bool opened = false;
        bool ended = false;
        bool may_read_host = false;   ///< the poller said so
        bool more_from_guest = false; ///< packets were left in the ring, for others' sake
        bool guest_finished = false;  ///< the guest sends no more
        bool host_told = false;       ///< and the host knows
        bool host_deaf = false;       ///< the host takes no more
        bool host_finished = false;   ///< the host sends no more
        bool guest_told = false;      ///< and the guest knows
        std::uint64_t bytes_to_host = 0;
        std::uint64_t bytes_to_guest = 0;

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"opened", &State::opened},
                              hv::StateField{"ended", &State::ended},
                              hv::StateField{"may_read_host", &State::may_read_host},
                              hv::StateField{"more_from_guest", &State::more_from_guest},
                              hv::StateField{"guest_finished", &State::guest_finished},
                              hv::StateField{"host_told", &State::host_told},
                              hv::StateField{"host_deaf", &State::host_deaf},
                              hv::StateField{"host_finished", &State::host_finished},
                              hv::StateField{"guest_told", &State::guest_told},
                              hv::StateField{"bytes_to_host", &State::bytes_to_host, hv::Shown::Yes},
                              hv::StateField{"bytes_to_guest", &State::bytes_to_guest, hv::Shown::Yes}};
        }
    };

    /// The channel and the socket, and what is between them.
    class Ends {
      public:
        explicit Ends(Parts parts) : parts_{std::move(parts)} {}

        /// False when there is nothing to serve.
        [[nodiscard]] bool open(std::shared_ptr<hv::vmbus::Channel> channel, DeferredCalls& deferred);
        void serve(Turn& turn, DeferredCalls& deferred);
        void finish(DeferredCalls& deferred);
        void host_ready();
        [[nodiscard]] bool was_opened() const { return state_.opened; }
        void inspect(hv::Inspector& inspector) const;
        void visit(hv::StateVisitor& visitor, DeferredCalls& deferred);

      private:
        // Those that return bool say false when the connection cannot go on.
        [[nodiscard]] bool guest_to_host(Turn& turn);
        [[nodiscard]] bool take(hv::vmbus::Packet const& packet);
        void give_host(std::span<std::byte const> bytes);
        void flush_to_host();
        [[nodiscard]] bool host_to_guest();
        [[nodiscard]] bool give_guest(std::span<std::byte const> bytes);
        void ask_poller();

        Parts parts_;
        std::shared_ptr<hv::vmbus::Channel> channel_;
        State state_;
        std::uint32_t asked_ = 0;         ///< what the poller is to tell
        std::size_t bytes_in_packet_ = 0; ///< at most, to the guest
        std::vector<std::byte> to_host_;  ///< the rest of one packet that the socket had no room for
        std::vector<std::byte> to_guest_; ///< what the ring had no room for, a packet's worth
    };

    ChannelWorker worker_;
    Guarded<Ends, LockRank::Channel> ends_;
};

} // namespace devices::vmbus::socket
