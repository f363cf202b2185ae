/// The other ends that test programs can have: a peer, which is the root's test peer (port 0x3010, Porthole) or a
/// second guest (guest_peer.hpp), and the SynIC test device (port 0x3000, Porthole and QEMU's hyperv-testdev).
#pragma once

#include <cstddef>

#include "runtime/hyperv.hpp"

namespace guest {

enum class PeerOperation : u32 { connect = 1, post, signal, disconnect, listen, take, close, quit, count_interrupts };

/// What the peer is asked, and its answer. The root carries it out before the OUT that hands it over completes.
struct PeerRequest {
    PeerOperation operation;
    u32 connection_id; ///< of the peer
    u32 port_id;       ///< connect: ours; listen, take, close: the peer's; count_interrupts: the vector
    u32 port_type;     ///< connect, listen
    u32 message_type;
    u32 payload_size;
    u32 count; ///< post, signal: how many times; count_interrupts: milliseconds to be deaf for before that
    u32 flag_number;
    u64 payload; ///< the first qword of the first message; each further message has one more

    u32 completed;
    u32 status; ///< of the last one
    u16 statuses[16];
    u32 taken;
    u32 taken_type;
    u32 taken_size;
    u32 taken_flag;
    u64 taken_origin;
    u64 taken_payload[30];
    u64 reserved;
};
static_assert(offsetof(PeerRequest, payload) == 32);
static_assert(offsetof(PeerRequest, completed) == 40);
static_assert(offsetof(PeerRequest, statuses) == 48);
static_assert(offsetof(PeerRequest, taken) == 80);
static_assert(offsetof(PeerRequest, taken_origin) == 96);
static_assert(offsetof(PeerRequest, taken_payload) == 104);
static_assert(sizeof(PeerRequest) == 352);

/// With `peer=N` on the command line, the peer is the guest with partition ID N. Called once, before the others.
void find_peer();
bool peer_present();
/// The root's ID, or that of the other guest.
u64 peer_partition();
bool peer_is_a_guest();

/// Carries out a request; boot processor and others alike.
PeerRequest ask_peer(PeerRequest const& request);

/// The two halves of it, with a peer that is a guest: what it is asked happens meanwhile.
void begin_asking_peer(PeerRequest const& request);
[[nodiscard]] bool peer_has_answered();
PeerRequest finish_asking_peer();

/// Ends the run of a peer that is a guest; the second time, nothing happens.
void dismiss_guest_peer();

hv::Status peer_connect(u32 connection_id, u32 port_id, u32 port_type);
hv::Status peer_disconnect(u32 connection_id);
PeerRequest peer_post(u32 connection_id, u64 payload, u32 count = 1, u32 type = 0x77, u32 size = 16);
PeerRequest peer_signal(u32 connection_id, u32 flag, u32 count = 1);
hv::Status peer_listen(u32 port_id, u32 port_type);
PeerRequest peer_take(u32 port_id);
hv::Status peer_close(u32 port_id);

/// Disconnects the peer, or closes its port, at the end of a test.
class PeerConnection {
  public:
    explicit PeerConnection(u32 connection_id) : id_{connection_id} {}
    ~PeerConnection() { (void)peer_disconnect(id_); }
    PeerConnection(PeerConnection const&) = delete;
    PeerConnection& operator=(PeerConnection const&) = delete;

  private:
    u32 id_;
};

class PeerPort {
  public:
    explicit PeerPort(u32 port_id) : id_{port_id} {}
    ~PeerPort() { (void)peer_close(id_); }
    PeerPort(PeerPort const&) = delete;
    PeerPort& operator=(PeerPort const&) = delete;

  private:
    u32 id_;
};

enum class TestDevice : u8 {
    create_route = 1,
    destroy_route,
    assert_sint,
    create_message_connection,
    destroy_message_connection,
    create_event_connection,
    destroy_event_connection,
};

/// Tells the SynIC test device; where there is none, nothing happens.
void tell_test_device(TestDevice command, u8 sint, u8 vp, u8 connection = 0);

/// Whether a message connection made by the test device takes a message. Needs an enabled SynIC; leaves the slot
/// empty.
bool test_device_present();

} // namespace guest
