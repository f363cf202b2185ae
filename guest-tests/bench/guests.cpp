#include "bench/groups.hpp"
#include "bench/measure.hpp"
#include "hyperv/peer.hpp"
#include "hyperv/ports.hpp"

namespace guest {

using hv::Status;

/// From the call to its return; the other guest, whose interrupts are masked, takes the message afterwards.
void between_guests()
{
    constexpr u32 its_port = 0x2000;
    constexpr u32 own_connection = 0x2001;
    constexpr unsigned rounds = 51; // each waits for the other guest to have its turn on the processor
    auto const ready = peer_listen(its_port, message_port) == Status::Success &&
                       connect_port(connect_input(own_connection, its_port)) == Status::Success;
    auto const post = [ready]() -> u64 {
        if (!ready) return 0;
        auto well = true;
        auto const cycles = timed([&well] { well = post_message(own_connection, 1, 0) == Status::Success; })();
        well = well && peer_take(its_port).taken == 1;
        return well ? cycles : 0;
    };
    report("post_message_other", post, rounds);
}

} // namespace guest
