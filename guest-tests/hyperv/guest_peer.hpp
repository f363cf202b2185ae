/// A second guest as the peer: one program drives it, and another, started with `serve=N`, does what it is asked by
/// the guest with partition ID N. They talk through two message ports: commands go to one of the server's, answers to
/// one of the driver's, on a processor that the driver keeps for it, so that tests may do what they like with all
/// others.
#pragma once

#include "hyperv/peer.hpp"

namespace guest {

/// The partition that `serve=N` names; zero without it.
u64 served_partition();

/// How the server waits for a command: halted, or spinning with its interrupts off, so that none reaches it.
enum class Waiting : u8 { halted, deaf };

/// The server: does what it is asked until it is dismissed or hears nothing for minutes. Returns the exit code.
u32 serve_as_peer(u64 driver, Waiting waiting = Waiting::halted);

/// The driver. False when there is no processor to spare or nobody answers.
[[nodiscard]] bool open_guest_peer(u64 server);
PeerRequest ask_guest_peer(PeerRequest const& request);

} // namespace guest
