#include "vmm/machine/guest_sockets.hpp"

#include "vmm/base/log.hpp"

namespace vmm {

namespace {

using devices::vmbus::socket::Relay;

/// How the user named the path.
std::string option_of(GuestOptions const& options)
{
    return options.name.empty() ? "--vsock" : options.designation() + ": vsock";
}

} // namespace

GuestSockets::GuestSockets(GuestOptions const& options, hv::vmbus::Server& bus)
    : listener_{option_of(options), options.vsock},
      relay_{std::make_shared<Relay>(
          Relay::World{.path = options.vsock,
                       .listener = listener_.fd(),
                       .bus = bus,
                       .refuse = [&bus](auto const&... who) { bus.refuse_socket(who...); },
                       .report = [designation = options.designation()](
                                     auto const& text) { spdlog::warn("{}: {}", designation, text); }})}
{
    bus.set_socket_listener(relay_);
    relay_->start();
}

GuestSockets::~GuestSockets()
{
    relay_->stop();
}

} // namespace vmm
