/// A guest's Hyper-V sockets (AF_VSOCK in Linux), at a path of the host.
#pragma once

#include "devices/vmbus/socket/relay.hpp"
#include "hv/vmbus/server.hpp"
#include "vmm/host/unix_listener.hpp"
#include "vmm/options/run_options.hpp"

#include <memory>

namespace vmm {

class GuestSockets {
  public:
    /// Listens at `options.vsock`. Throws UserError. `bus` outlives this.
    GuestSockets(GuestOptions const& options, hv::vmbus::Server& bus);
    GuestSockets(GuestSockets const&) = delete;
    GuestSockets& operator=(GuestSockets const&) = delete;
    /// With nothing of the bus running any more.
    ~GuestSockets();

    [[nodiscard]] devices::Component& relay() const { return *relay_; }
    void inspect(hv::Inspector& inspector) const { relay_->inspect(inspector); }

  private:
    UnixListener const listener_;
    std::shared_ptr<devices::vmbus::socket::Relay> const relay_;
};

} // namespace vmm
