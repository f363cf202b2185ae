/// Making and deleting ports and connections (TLFS 2.0a §14.9.1–14.9.6), and port properties.
#include "hv/hypercall/calls/calls.hpp"
#include "hv/partition/communication.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <bit>
#include <optional>

namespace hv::calls {

namespace {

/// HV_PROXIMITY_DOMAIN_INFO: a preference is accepted and has no effect, an ill-formed one is refused.
bool proximity_well_formed(std::uint64_t info)
{
    constexpr auto flags_reserved = std::uint64_t{0x7FFF'FFFE} << 32;
    return (info & flags_reserved) == 0;
}

std::optional<PortSpec> spec_from(abi::PortInfo const& info)
{
    bool const ignored = info.type == abi::PortType::Doorbell; // newest: its reserved bytes
    if (info.padding != 0 || (info.reserved != 0 && !ignored)) return std::nullopt;
    if (info.type == abi::PortType::Monitor) {
        if (!info.tail_clear()) return std::nullopt;
        return PortSpec{
            .type = info.type, .target_vp = any_vp, .monitor_page = Gpa{info.monitor_address()}, .handler = nullptr};
    }
    if (info.type == abi::PortType::Doorbell)
        return PortSpec{.type = info.type,
                        .sint = Sint{info.target_sint},
                        .target_vp = VpIndex{info.target_vp},
                        .handler = nullptr};
    if (info.type == abi::PortType::Message) {
        if (!info.tail_clear()) return std::nullopt;
    } else if (info.type != abi::PortType::Event) {
        return std::nullopt;
    }
    return PortSpec{.type = info.type,
                    .sint = Sint{info.target_sint},
                    .target_vp = VpIndex{info.target_vp},
                    .base_flag = info.base_flag,
                    .flag_count = info.flag_count,
                    .handler = nullptr};
}

} // namespace

/// HvCreatePort (§14.9.1; call code 0x0057).
Status create_port(Caller const& caller, abi::CreatePortInput const& in)
{
    if ((in.port_id & abi::reserved_id_bits) != 0) return Status::InvalidPortId;
    auto spec = spec_from(in.info);
    if (!spec) return Status::InvalidParameter;

    auto const owner = caller.target(in.port_partition);
    if (!owner) return owner.status();
    auto const peer = caller.named(in.connection_partition);
    if (!peer || &*peer == &*owner) return Status::InvalidPartitionId;
    if (!owner->active() || !peer->active()) return Status::InvalidPartitionState;

    bool const can_ring = peer->child() && peer->parent() == owner->id() && &*owner == &caller.partition;
    if (spec->type == abi::PortType::Doorbell && !can_ring) return Status::InvalidParameter;
    spec->connection_partition = peer->id();
    return communication::create_port(*owner, PortId{in.port_id}, *spec);
}

/// HvCallCreatePort of the later texts (0x0095). There are no VTLs above 0 here; the access rules stay those of 2.0a.
Status create_port_vtl(Caller const& caller, abi::CreatePortVtlInput const& in)
{
    if (in.port_vtl != 0 || in.min_connection_vtl != 0 || in.reserved != 0) return Status::InvalidParameter;
    if (!proximity_well_formed(in.proximity)) return Status::InvalidProximityDomainInfo;
    return create_port(caller, {in.port_partition, in.port_id, 0, in.connection_partition, in.info});
}

/// HvDeletePort (§14.9.2; call code 0x0058; may be fast). Frees the port and its sixteen message buffers; messages
/// still queued are lost, one already in a slot stays.
Status delete_port(Caller const& caller, abi::DeletePortInput const& in)
{
    auto const owner = caller.target(in.port_partition);
    if (!owner) return owner.status();
    if (!owner->active()) return Status::InvalidPartitionState;
    if ((in.port_id & abi::reserved_id_bits) != 0) return Status::InvalidPortId;

    return communication::delete_port(*owner, PortId{in.port_id});
}

/// HvGetPortProperty (§14.9.4; call code 0x005A). A partition that is not active is refused as the restrictions have
/// it, though the status is not in the table.
Result<abi::PortPropertyOutput> get_port_property(Caller const& caller, abi::GetPortPropertyInput const& in)
{
    auto const owner = caller.target(in.partition);
    if (!owner) return owner.status();
    if (!owner->active()) return Status::InvalidPartitionState;
    if ((in.port_id & abi::reserved_id_bits) != 0) return Status::InvalidPortId;

    auto const value = communication::port_property(*owner, PortId{in.port_id}, in.code);
    if (!value) return value.status();
    return abi::PortPropertyOutput{*value};
}

/// HvSetPortProperty (§14.9.5; call code 0x0070). Returns the value that it has set.
Result<abi::PortPropertyOutput> set_port_property(Caller const& caller, abi::SetPortPropertyInput const& in)
{
    auto const owner = caller.target(in.partition);
    if (!owner) return owner.status();
    if (!owner->active()) return Status::InvalidPartitionState;
    if ((in.port_id & abi::reserved_id_bits) != 0) return Status::InvalidPortId;

    auto const status = communication::set_port_property(*owner, PortId{in.port_id}, in.code, in.value);
    if (status != Status::Success) return status;
    return abi::PortPropertyOutput{in.value};
}

namespace {

Status connect(Caller const& caller, std::uint64_t sender_id, std::uint32_t connection, std::uint64_t receiver_id,
               std::uint32_t port, communication::ConnectionInfo const& info)
{
    if ((connection & abi::reserved_id_bits) != 0) return Status::InvalidConnectionId;

    auto const sender = caller.target(sender_id);
    if (!sender) return sender.status();
    auto const receiver = caller.named(receiver_id);
    if (!receiver) return receiver.status();
    if (!sender->active()) return Status::InvalidPartitionState;
    if ((port & abi::reserved_id_bits) != 0) return Status::InvalidPortId;

    return communication::connect(*sender, ConnectionId{connection}, *receiver, PortId{port}, info);
}

} // namespace

/// HvConnectPort (§14.9.3; call code 0x0059). The text gives ConnectionInfo eight bytes: the address of a monitor
/// page, or zero; its HV_CONNECTION_INFO begins with the port's type there, which is taken as well.
Status connect_port(Caller const& caller, abi::ConnectPortInput const& in)
{
    auto const info = communication::ConnectionInfo::untyped(in.info());
    return connect(caller, in.connection_partition, in.connection_id, in.port_partition, in.port_id, info);
}

/// HvCallConnectPort of the later texts (0x0096).
Status connect_port_vtl(Caller const& caller, abi::ConnectPortVtlInput const& in)
{
    bool const doorbell = in.type == abi::PortType::Doorbell;
    auto const info_clear = in.padding == 0 && (doorbell || (in.info[1] | in.info[2]) == 0);
    auto const reserved_clear = (in.connection_vtl | in.reserved0 | in.reserved1) == 0 && in.reserved2 == 0;
    if (!info_clear || !reserved_clear) return Status::InvalidParameter;
    if (!proximity_well_formed(in.proximity)) return Status::InvalidProximityDomainInfo;
    if (doorbell) {
        auto const trigger = DoorbellTrigger::from(std::bit_cast<abi::DoorbellInfo>(in.info));
        if (!trigger) return Status::InvalidParameter;
        return connect(caller, in.connection_partition, in.connection_id, in.port_partition, in.port_id,
                       communication::ConnectionInfo{*trigger});
    }
    return connect(caller, in.connection_partition, in.connection_id, in.port_partition, in.port_id,
                   {in.type, in.info[0]});
}

/// HvCallNotifyPortRingEmpty (call code 0x008B; may be fast). 6.0b Appendix A wants CpuManagement for it; Linux makes
/// it without, as whoever has a page of rings.
Status notify_port_ring_empty(Caller const& caller, abi::NotifyPortRingEmptyInput const& in)
{
    if (!caller.permitted()) return Status::AccessDenied;
    if (in.reserved != 0 || in.sint == 0 || in.sint >= sint_count) return Status::InvalidParameter;
    return caller.vp.synic().ring_emptied(Sint{in.sint});
}

/// HvDisconnectPort (2.0a §14.9.6; call code 0x005B; may be fast). Messages already posted are unaffected.
Status disconnect_port(Caller const& caller, abi::DisconnectPortInput const& in)
{
    auto const sender = caller.target(in.connection_partition);
    if (!sender) return sender.status();
    if (!sender->active()) return Status::InvalidPartitionState;
    if ((in.connection_id & abi::reserved_id_bits) != 0) return Status::InvalidConnectionId;

    return communication::disconnect(*sender, ConnectionId{in.connection_id});
}

} // namespace hv::calls
