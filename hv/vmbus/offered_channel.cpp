#include "hv/vmbus/offered_channel.hpp"

#include "hv/partition/communication.hpp"
#include "hv/partition/registry.hpp"
#include "hv/vmbus/root_ids.hpp"

#include <utility>

namespace hv::vmbus {

namespace {

class Signals final : public PortHandler {
  public:
    explicit Signals(std::shared_ptr<ChannelDevice> device) : device_{std::move(device)} {}
    void on_message(abi::MessageType, std::span<std::byte const>) override {}
    void on_event(unsigned) override { device_->signalled(); }

  private:
    std::shared_ptr<ChannelDevice> const device_;
};

} // namespace

OfferedChannel::OfferedChannel(std::shared_ptr<Partition> guest, ChannelId id, OfferSpec const& spec,
                               std::shared_ptr<ChannelDevice> device)
    : guest_{std::move(guest)}, id_{id}, spec_{spec}, device_{std::move(device)}
{
    auto& root = guest_->registry().root();
    port_ = create_root_port(root, {.type = abi::PortType::Event,
                                    .flag_count = 1,
                                    .connection_partition = guest_->id(),
                                    .handler = std::make_shared<Signals>(device_)});
    if (!port_) return;
    auto const status = communication::connect(*guest_, connection(), root, *port_, abi::PortType::Event);
    if (status == Status::Success) return;
    (void)communication::delete_port(root, *port_);
    port_.reset();
}

OfferedChannel::~OfferedChannel()
{
    close();
    disconnect();
}

void OfferedChannel::disconnect()
{
    if (!port_) return;
    (void)communication::disconnect(*guest_, connection());
    (void)communication::delete_port(guest_->registry().root(), *port_);
    port_.reset();
}

/// Above what a guest with few ports of its own would choose.
ConnectionId OfferedChannel::connection() const
{
    return ConnectionId{0x00F0'0000 + id_.value};
}

abi::OfferChannel OfferedChannel::message() const
{
    abi::OfferChannel out{};
    out.header.type = abi::ChannelMessageType::OfferChannel;
    out.interface = spec_.interface;
    out.instance = spec_.instance;
    out.flags = spec_.flags;
    out.mmio_megabytes = spec_.mmio_megabytes;
    out.user_defined = spec_.user_defined;
    out.sub_channel = spec_.sub_channel;
    out.channel = id_.value;
    out.dedicated_interrupt = 1;
    out.connection = connection().value;
    return out;
}

void OfferedChannel::open(std::shared_ptr<OpenChannel> channel)
{
    channel_ = std::move(channel);
    device_->open(channel_);
}

void OfferedChannel::close()
{
    if (!channel_) return;
    channel_->set_closed();
    device_->close();
    channel_.reset();
}

/// What was signalled to the former VP may still be on its way there: the new one looks once for itself.
void OfferedChannel::set_target_vp(VpIndex vp)
{
    channel_->set_target_vp(vp);
    channel_->interrupt();
}

void OfferedChannel::inspect(Inspector& inspector) const
{
    inspector.text("interface", to_string(spec_.interface));
    inspector.text("instance", to_string(spec_.instance));
    inspector.number("sub_channel", spec_.sub_channel);
    inspector.flag("offered", offered);
    inspector.flag("open", is_open());
    if (channel_) channel_->inspect(inspector);
    InspectedNode const node{inspector, "device"};
    device_->inspect(inspector);
}

ChannelState OfferedChannel::state() const
{
    ChannelState out;
    out.number = id_.value;
    out.instance = spec_.instance.bytes;
    out.sub_channel = spec_.sub_channel;
    out.offered = offered;
    out.open = is_open();
    if (channel_) out.opened = channel_->parameters();
    return out;
}

void OfferedChannel::visit_parts(StateVisitor& visitor)
{
    if (channel_) channel_->visit_rings(visitor);
    VisitedNode const node{visitor, "device"};
    device_->visit(visitor);
}

} // namespace hv::vmbus
