#include "hv/vmbus/vp_events.hpp"

#include "hv/abi/vmbus.hpp"
#include "hv/partition/communication.hpp"
#include "hv/partition/registry.hpp"
#include "hv/vmbus/root_ids.hpp"

#include <utility>

namespace hv::vmbus {

namespace {

PortId guest_port(VpIndex vp)
{
    return PortId{0x00FF'0000 + vp.value};
}

} // namespace

VpEvents::VpEvents(std::shared_ptr<Partition> guest) : guest_{std::move(guest)}, connections_(guest_->vps().size()) {}

VpEvents::~VpEvents()
{
    for (std::uint32_t i = 0; i < connections_.size(); ++i) {
        if (connections_[i] == 0) continue;
        (void)communication::disconnect(guest_->registry().root(), ConnectionId{connections_[i]});
        (void)communication::delete_port(*guest_, guest_port(VpIndex{i}));
    }
}

bool VpEvents::prepare(VpIndex vp)
{
    if (vp.value >= connections_.size()) return false;
    if (connections_[vp.value] != 0) return true;

    auto& root = guest_->registry().root();
    PortSpec const spec{.type = abi::PortType::Event,
                        .sint = abi::vmbus_sint,
                        .target_vp = vp,
                        .base_flag = 0,
                        .flag_count = abi::event_flag_count,
                        .connection_partition = root.id(),
                        .handler = nullptr};
    if (communication::create_port(*guest_, guest_port(vp), spec) != Status::Success) return false;
    auto const connection = connect_root(root, *guest_, guest_port(vp), abi::PortType::Event);
    if (!connection) {
        (void)communication::delete_port(*guest_, guest_port(vp));
        return false;
    }
    connections_[vp.value].store(connection->value, std::memory_order_release);
    return true;
}

void VpEvents::signal(VpIndex vp, std::uint32_t flag) const
{
    ConnectionId const connection{connections_[vp.value].load(std::memory_order_acquire)};
    (void)communication::signal(guest_->registry().root(), connection, flag);
}

} // namespace hv::vmbus
