#include "hv/vmbus/server.hpp"

#include "hv/vmbus/server_core.hpp"

#include <utility>

namespace hv::vmbus {

Server::Server(std::shared_ptr<Partition> guest, std::shared_ptr<Executor> executor, Report report)
    : core_{Core::make(std::move(guest), std::move(executor), std::move(report))}
{}

Server::~Server()
{
    shut_down();
}

void Server::shut_down()
{
    core_->shut_down();
}

void Server::offer(OfferSpec const& spec, std::shared_ptr<ChannelDevice> device)
{
    core_->offer_soon(spec, std::move(device));
}

void Server::withdraw(Guid const& instance)
{
    core_->tasks().run([core = core_.get(), instance] { core->withdraw(instance); });
}

Runner& Server::runner()
{
    return core_->executor();
}

void Server::set_socket_listener(std::shared_ptr<SocketListener> listener)
{
    core_->set_socket_listener(std::move(listener));
}

void Server::refuse_socket(Guid const& endpoint, Guid const& service)
{
    core_->tasks().run([core = core_.get(), endpoint, service] { core->refuse_socket(endpoint, service); });
}

void Server::quiesce(StillBusy const& busy)
{
    core_->hold_messages();
    core_->for_each_device([&busy](ChannelDevice& device) { device.quiesce(busy); });
}

void Server::resume()
{
    core_->for_each_device([](ChannelDevice& device) { device.resume(); });
    core_->release_messages();
}

void Server::visit(StateVisitor& visitor)
{
    core_->visit(visitor);
}

void Server::inspect(Inspector& inspector) const
{
    core_->inspect(inspector);
}

} // namespace hv::vmbus
