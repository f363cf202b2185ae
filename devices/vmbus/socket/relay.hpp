/// Hyper-V sockets of one guest, and the UNIX sockets that stand for them on the host, as other VMMs have it
/// (Firecracker docs/vsock.md): who connects to PATH and says "CONNECT 1234" is connected to port 1234 of the guest;
/// what the guest connects to port 1234 of the host is connected to the socket PATH_1234.
#pragma once

#include "devices/base/component.hpp"
#include "devices/base/guarded.hpp"
#include "devices/net/backend_thread.hpp"
#include "devices/vmbus/socket/connection.hpp"
#include "devices/vmbus/socket/protocol.hpp"
#include "hv/base/inspect.hpp"
#include "hv/vmbus/server.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace devices::vmbus::socket {

class Relay final : public hv::vmbus::SocketListener, public Component, public std::enable_shared_from_this<Relay> {
  public:
    static constexpr std::size_t most_connections = 256;

    struct World {
        std::string path;    ///< PATH
        int listener;        ///< listens at PATH, does not block, outlives this
        hv::vmbus::Bus& bus; ///< outlives this
        std::function<void(hv::vmbus::Guid const& endpoint, hv::vmbus::Guid const& service)> refuse;
        /// Gets a line when connections fail for the host's reasons, each kind once. On any thread.
        std::function<void(std::string const&)> report = [](auto const&) {};
        /// For a client to say where it wants to, and for the guest to open what it is offered.
        std::chrono::milliseconds patience{5000};
    };

    explicit Relay(World world);
    ~Relay() override;

    /// Listens, and serves on a thread of its own.
    void start();
    /// The parts of that, for a caller who does without the thread: `serve` deals with what is ready, or becomes
    /// ready while it waits.
    void listen();
    void serve(std::optional<std::chrono::milliseconds> wait);
    /// Ends all connections and waits for the thread. More than once is fine.
    void stop();

    /// Clients wait, and nobody's time runs out. The connections are quiesced by the bus.
    void quiesce(hv::StillBusy busy) override { thread_.quiesce(std::move(busy)); }
    void resume() override { thread_.resume(); }

    void connect_requested(hv::vmbus::Guid const& endpoint, hv::vmbus::Guid const& service) override;
    void inspect(hv::Inspector& inspector) const;

  private:
    using Time = std::chrono::steady_clock::time_point;

    /// A client of PATH that has not said all of its line yet.
    struct Client {
        UniqueFd fd;
        std::string line;
    };
    struct Entry {
        hv::vmbus::Guid instance;
        std::shared_ptr<Connection> connection;
    };

    /// Who is connected, and until when those may take who are not yet.
    struct Book {
        [[nodiscard]] bool full() const { return clients.size() + connections.size() >= most_connections; }
        [[nodiscard]] bool knows(hv::vmbus::Guid const& instance) const;
        [[nodiscard]] std::shared_ptr<Connection> connection(std::uint64_t id) const; ///< nullptr when there is none

        std::uint64_t next_id = 0;
        std::map<std::uint64_t, Client> clients;
        std::map<std::uint64_t, Entry> connections;
        std::map<std::uint64_t, Time> deadlines; ///< of clients, and of connections that are not open yet
        std::uint32_t next_port = 1U << 30;      ///< the host's ends of connections that it begins
        std::uint64_t refused = 0;
    };
    /// What a client has asked for.
    struct Asked {
        UniqueFd client;
        Port port;
    };

    void run();
    void host_ready(std::uint64_t id);
    void accept_clients();
    void drop(std::uint64_t id, char const* why);
    void say_dropped(char const* why);
    void no_socket(int error);
    void end_all();
    void read_line(std::uint64_t id);
    [[nodiscard]] std::optional<Asked> take_request(std::uint64_t id);
    void connect_to_guest(UniqueFd client, Port port);
    /// False when there are too many already, or one of that instance, or it cannot be offered.
    [[nodiscard]] bool add(UniqueFd host, std::string greeting, hv::vmbus::Guid const& instance,
                           hv::vmbus::Guid const& service, Direction direction);
    void ended(std::uint64_t id);
    [[nodiscard]] std::optional<std::chrono::milliseconds> until_next_deadline();
    void end_overdue();
    void put_off_deadlines(std::chrono::nanoseconds by);

    World const world_;
    std::shared_ptr<Poller const> const poller_;
    net::BackendThread thread_{ThreadRole::Relay};
    std::atomic<bool> said_dropped_{false};
    std::atomic<bool> said_no_socket_{false};

    devices::Guarded<Book, devices::LockRank::Leaf> book_;
};

} // namespace devices::vmbus::socket
