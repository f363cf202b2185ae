/// A guest's VMBus, the host's end: agrees on a version, offers channels, keeps the guest's GPADLs, opens and closes.
#pragma once

#include "hv/base/inspect.hpp"
#include "hv/base/quiesce.hpp"
#include "hv/base/state.hpp"
#include "hv/partition/partition.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <functional>
#include <memory>
#include <string_view>

namespace hv::vmbus {

/// Hears that a guest wants a connection of Hyper-V sockets to the host. On the executor.
class SocketListener {
  public:
    SocketListener() = default;
    SocketListener(SocketListener const&) = delete;
    SocketListener& operator=(SocketListener const&) = delete;
    virtual ~SocketListener() = default;

    /// `endpoint` is the guest's, `service` the host's. Answered by an offer, or by Server::refuse_socket.
    virtual void connect_requested(Guid const& endpoint, Guid const& service) = 0;
};

/// The guest's messages come to its connections 1 and 4, are kept in a bounded inbox, and are answered on the
/// executor. Devices may be offered before the guest looks for the bus and at any time after.
class Server final : public Bus {
  public:
    /// Takes a line for the log. On the executor.
    using Report = std::function<void(std::string_view)>;

    /// Throws std::runtime_error when the guest's memory pool has no room.
    Server(
        std::shared_ptr<Partition> guest, std::shared_ptr<Executor> executor, Report report = [](auto) {});
    ~Server() override;

    /// Closes all channels and lets go of their devices, which may still use guest memory for a while. The executor
    /// runs nothing of this server any more by now, and no VP of the guest runs.
    void shut_down();

    void offer(OfferSpec const& spec, std::shared_ptr<ChannelDevice> device) override;
    void withdraw(Guid const& instance) override;
    [[nodiscard]] Runner& runner() override;

    /// Before the guest runs.
    void set_socket_listener(std::shared_ptr<SocketListener> listener);
    void refuse_socket(Guid const& endpoint, Guid const& service);

    /// Quiesces the devices of all channels. On the executor, which is to run nothing of this server from then on to
    /// `resume`, which is called on it too.
    void quiesce(StillBusy const& busy);
    void resume();

    /// Of a bus at rest, with all its channels and their devices. To restore it, a new one of a guest that has its
    /// memory already is offered the same devices, its executor runs dry, it is quiesced, visited before the
    /// partition is, whose messages may wait in the bus's ports, and resumed. Channels whose devices are not there
    /// any more are taken back. What was saved is not trusted. Called like `quiesce`.
    void visit(StateVisitor& visitor);

    /// On the executor, or when that has stopped.
    void inspect(Inspector& inspector) const;

  private:
    class Core;

    std::shared_ptr<Core> const core_;
};

} // namespace hv::vmbus
