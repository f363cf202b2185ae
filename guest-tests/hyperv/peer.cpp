#include "hyperv/peer.hpp"

#include "hyperv/guest_peer.hpp"
#include "hyperv/ports.hpp"
#include "hyperv/synic.hpp"
#include "runtime/cpu.hpp"
#include "runtime/start_info.hpp"

namespace guest {

namespace {

constexpr u16 peer_port = 0x3010;
constexpr u32 peer_answer = 0x5045'4552;
constexpr u16 test_device_port = 0x3000;

Page requests[GUEST_MAX_CPUS];
u64 guest_peer; ///< its partition ID; zero for none

PeerRequest request(PeerOperation operation, u32 connection_id, u32 port_id, u32 port_type)
{
    PeerRequest r{};
    r.operation = operation;
    r.connection_id = connection_id;
    r.port_id = port_id;
    r.port_type = port_type;
    return r;
}

hv::Status status_of(PeerRequest const& r)
{
    return static_cast<hv::Status>(r.status);
}

} // namespace

void find_peer()
{
    auto const partition = numeric_option("peer");
    if (partition && open_guest_peer(partition)) guest_peer = partition;
}

bool peer_is_a_guest()
{
    return guest_peer != 0;
}

bool peer_present()
{
    return peer_is_a_guest() || in32(peer_port) == peer_answer;
}

u64 peer_partition()
{
    return peer_is_a_guest() ? guest_peer : root_partition;
}

PeerRequest ask_peer(PeerRequest const& r)
{
    if (peer_is_a_guest()) return ask_guest_peer(r);
    auto& shared = *reinterpret_cast<PeerRequest*>(requests[this_cpu().index].bytes);
    shared = r;
    out32(peer_port, static_cast<u32>(gpa(&shared)));
    return shared;
}

hv::Status peer_connect(u32 connection_id, u32 port_id, u32 port_type)
{
    return status_of(ask_peer(request(PeerOperation::connect, connection_id, port_id, port_type)));
}

hv::Status peer_disconnect(u32 connection_id)
{
    return status_of(ask_peer(request(PeerOperation::disconnect, connection_id, 0, 0)));
}

PeerRequest peer_post(u32 connection_id, u64 payload, u32 count, u32 type, u32 size)
{
    auto r = request(PeerOperation::post, connection_id, 0, 0);
    r.message_type = type;
    r.payload_size = size;
    r.count = count;
    r.payload = payload;
    return ask_peer(r);
}

PeerRequest peer_signal(u32 connection_id, u32 flag, u32 count)
{
    auto r = request(PeerOperation::signal, connection_id, 0, 0);
    r.count = count;
    r.flag_number = flag;
    return ask_peer(r);
}

hv::Status peer_listen(u32 port_id, u32 port_type)
{
    return status_of(ask_peer(request(PeerOperation::listen, 0, port_id, port_type)));
}

PeerRequest peer_take(u32 port_id)
{
    return ask_peer(request(PeerOperation::take, 0, port_id, 0));
}

hv::Status peer_close(u32 port_id)
{
    return status_of(ask_peer(request(PeerOperation::close, 0, port_id, 0)));
}

void tell_test_device(TestDevice command, u8 sint, u8 vp, u8 connection)
{
    out32(test_device_port, sint | u32{vp} << 8 | u32{static_cast<u8>(command)} << 16 | u32{connection} << 24);
}

bool test_device_present()
{
    constexpr u8 sint = 15;
    constexpr u8 connection = 0xEE;
    tell_test_device(TestDevice::create_message_connection, sint, 0, connection);
    bool const arrived =
        post_message(connection, 1, 0) == hv::Status::Success && wait_for_message(sint, this_cpu().index);
    release_slot(sint);
    tell_test_device(TestDevice::destroy_message_connection, sint, 0, connection);
    return arrived;
}

} // namespace guest
