/// The port and connection hypercalls (TLFS 2.0a 14.9; online HvCallCreatePort and HvCallConnectPort).
#pragma once

#include "runtime/hyperv.hpp"

namespace guest {

inline constexpr u64 self_partition = ~u64{0};
inline constexpr u64 root_partition = 1;
inline constexpr u64 no_such_partition = 0x7777'7777;
inline constexpr u32 any_vp = 0xFFFF'FFFF;
inline constexpr unsigned buffers_per_port = 16;
inline constexpr unsigned event_flag_count = 2048;

inline constexpr u32 message_port = 1;
inline constexpr u32 event_port = 2;
inline constexpr u32 monitor_port = 3;
inline constexpr u32 doorbell_port = 4;

/// The input of HvCreatePort; the later numbering (0x95) gives a meaning to bytes that 2.0a calls padding, and has
/// eight more.
struct CreatePortInput {
    u64 port_partition;
    u32 port_id;
    u8 port_vtl;
    u8 min_connection_vtl;
    u16 reserved0;
    u64 connection_partition;
    u32 port_type;
    u32 padding;
    u32 target_sint;
    u32 target_vp;
    u16 base_flag;  ///< event ports; message ports have eight reserved bytes from here
    u16 flag_count; ///< event ports
    u32 reserved1;
    u64 proximity; ///< only of 0x95
};
static_assert(sizeof(CreatePortInput) == 56);

struct PortInput { ///< HvDeletePort
    u64 port_partition;
    u32 port_id;
    u32 padding;
};

struct ConnectPortInput {
    u64 connection_partition;
    u32 connection_id;
    u32 padding0; ///< 0x96: VTL and reserved bytes
    u64 port_partition;
    u32 port_id;
    u32 padding1;
    u64 info[4];   ///< 0x59: one qword, a monitor page or reserved; 0x96: HV_CONNECTION_INFO, the port type first
    u64 proximity; ///< only of 0x96
};
static_assert(sizeof(ConnectPortInput) == 72);

struct ConnectionInput { ///< HvDisconnectPort
    u64 connection_partition;
    u32 connection_id;
    u32 padding;
};

struct GetPropertyInput {
    u64 partition;
    u32 port_id;
    u32 padding0;
    u32 code;
    u32 padding1;
};

struct SetPropertyInput {
    GetPropertyInput what;
    u64 value;
};
static_assert(sizeof(SetPropertyInput) == 32);

inline constexpr u32 property_post_count = 0;
inline constexpr u32 property_preferred_vp = 1;

struct PostMessageInput {
    u32 connection_id;
    u32 reserved;
    u32 message_type;
    u32 payload_size;
    u64 payload[30];
};
static_assert(sizeof(PostMessageInput) == 256);

/// Inputs that are in order: a port of our own that the peer may connect to.
CreatePortInput message_port_input(u32 port_id, u32 sint, u32 vp = 0);
CreatePortInput event_port_input(u32 port_id, u32 sint, u16 base, u16 count, u32 vp = 0);

/// A monitor port of our own, its page at `page`.
CreatePortInput monitor_port_input(u32 port_id, u64 page);

/// A connection of our own to a port of the peer.
ConnectPortInput connect_input(u32 connection_id, u32 port_id);

hv::Status create_port(CreatePortInput const& input);
hv::Status delete_port(u32 port_id, u64 partition = self_partition);
hv::Status connect_port(ConnectPortInput const& input);
hv::Status disconnect_port(u32 connection_id, u64 partition = self_partition);
hv::Status post_message(u32 connection_id, u32 type, u64 first_qword, u32 size = 8);
hv::Status signal_event(u32 connection_id, u16 flag);

/// A port's property, or why not. `set` answers with the value that the call has returned.
struct Property {
    hv::Status status;
    u64 value;
};
Property get_property(u32 port_id, u32 code, u64 partition = self_partition);
Property set_property(u32 port_id, u32 code, u64 value, u64 partition = self_partition);

/// Our own partition ID, or zero when we may not know it.
u64 own_partition_id();

/// Deletes a port, disconnects a connection at the end of a test; whether it still exists does not matter.
class PortGuard {
  public:
    explicit PortGuard(u32 port_id) : id_{port_id} {}
    ~PortGuard() { (void)delete_port(id_); }
    PortGuard(PortGuard const&) = delete;
    PortGuard& operator=(PortGuard const&) = delete;

  private:
    u32 id_;
};

class ConnectionGuard {
  public:
    explicit ConnectionGuard(u32 connection_id) : id_{connection_id} {}
    ~ConnectionGuard() { (void)disconnect_port(id_); }
    ConnectionGuard(ConnectionGuard const&) = delete;
    ConnectionGuard& operator=(ConnectionGuard const&) = delete;

  private:
    u32 id_;
};

} // namespace guest
