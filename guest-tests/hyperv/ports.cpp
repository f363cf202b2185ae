#include "hyperv/ports.hpp"

#include "hyperv/peer.hpp"
#include "runtime/memory.hpp"

namespace guest {

using namespace hv;

CreatePortInput message_port_input(u32 port_id, u32 sint, u32 vp)
{
    CreatePortInput input{};
    input.port_partition = self_partition;
    input.port_id = port_id;
    input.connection_partition = peer_partition();
    input.port_type = message_port;
    input.target_sint = sint;
    input.target_vp = vp;
    return input;
}

CreatePortInput event_port_input(u32 port_id, u32 sint, u16 base, u16 count, u32 vp)
{
    auto input = message_port_input(port_id, sint, vp);
    input.port_type = event_port;
    input.base_flag = base;
    input.flag_count = count;
    return input;
}

CreatePortInput monitor_port_input(u32 port_id, u64 page)
{
    auto input = message_port_input(port_id, 0);
    input.port_type = monitor_port;
    input.target_sint = static_cast<u32>(page);
    input.target_vp = static_cast<u32>(page >> 32);
    return input;
}

ConnectPortInput connect_input(u32 connection_id, u32 port_id)
{
    ConnectPortInput input{};
    input.connection_partition = self_partition;
    input.connection_id = connection_id;
    input.port_partition = peer_partition();
    input.port_id = port_id;
    return input;
}

Status create_port(CreatePortInput const& input)
{
    return call_with(call::create_port, input);
}

Status delete_port(u32 port_id, u64 partition)
{
    return call_with(call::delete_port, PortInput{partition, port_id, 0});
}

Status connect_port(ConnectPortInput const& input)
{
    return call_with(call::connect_port, input);
}

Status disconnect_port(u32 connection_id, u64 partition)
{
    return call_with(call::disconnect_port, ConnectionInput{partition, connection_id, 0});
}

Status post_message(u32 connection_id, u32 type, u64 first_qword, u32 size)
{
    PostMessageInput input{};
    input.connection_id = connection_id;
    input.message_type = type;
    input.payload_size = size;
    for (u64 i = 0; i < 30; ++i)
        input.payload[i] = first_qword + i;
    return call_with(call::post_message, input);
}

Status signal_event(u32 connection_id, u16 flag)
{
    return status(hypercall(call::signal_event | fast, connection_id | u64{flag} << 32));
}

namespace {

/// A call whose output follows its input in the input page.
template <typename Input>
Property call_for_property(u64 control, Input const& input)
{
    auto* const page = static_cast<u8*>(input_page());
    auto* const output = reinterpret_cast<u64 volatile*>(page + sizeof input);
    memcpy(page, &input, sizeof input);
    *output = 0;
    auto const seen = status(hypercall(control, gpa(page), gpa(output)));
    return {seen, *output};
}

} // namespace

Property get_property(u32 port_id, u32 code, u64 partition)
{
    return call_for_property(call::get_port_property, GetPropertyInput{partition, port_id, 0, code, 0});
}

Property set_property(u32 port_id, u32 code, u64 value, u64 partition)
{
    return call_for_property(call::set_port_property, SetPropertyInput{{partition, port_id, 0, code, 0}, value});
}

u64 own_partition_id()
{
    if (!offered(feature::access_partition_id)) return 0;
    auto* const id = static_cast<u64 volatile*>(input_page());
    if (status(hypercall(call::get_partition_id, 0, gpa(id))) != Status::Success) return 0;
    return *id;
}

} // namespace guest
