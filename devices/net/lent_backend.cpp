#include "devices/net/lent_backend.hpp"

namespace devices::net {

/// Whoever still has the firmware's side has it without a backend.
LentBackend::~LentBackend()
{
    backend_->stop();
    firmware_->taken();
}

void LentBackend::start(FrameReceiver& receiver)
{
    card_ = &receiver;
    backend_->start(*this);
}

bool LentBackend::receive(FrameSource& source)
{
    return firmware_->deliver(source) || card_->receive(source);
}

void LentBackend::listen(ReceiveOffloads offloads)
{
    firmware_->taken();
    backend_->listen(offloads);
}

/// A card that has not listened yet has no say in what the firmware hears.
void LentBackend::ignore()
{
    if (firmware_->is_taken()) backend_->ignore();
}

void LentBackend::inspect(hv::Inspector& inspector) const
{
    backend_->inspect(inspector);
    hv::InspectedNode const node{inspector, "firmware"};
    firmware_->inspect(inspector);
}

} // namespace devices::net
