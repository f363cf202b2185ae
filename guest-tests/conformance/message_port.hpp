// A message port of the guest's, and the root that posts to it.
#pragma once

#include "conformance/fixtures.hpp"

namespace guest::root_posts {

using namespace hv;

inline constexpr u32 sint = 2;
inline constexpr u8 vector = 0xA1;
inline constexpr u32 port = 0x00AB'CD01;
inline constexpr u32 connection = 0x0000'1234; ///< of the root
inline constexpr u64 first_payload = 0x5000'0000'0000;

/// A port, the root's connection to it, and the source unmasked.
#define WITH_MESSAGE_PORT(input)                                                                                     \
    NEEDS_PEER();                                                                                                    \
    set_sint(sint, vector);                                                                                          \
    [[maybe_unused]] auto const interrupts_before = interrupt_count(vector);                                         \
    CHECK_STATUS(create_port(input), Status::Success);                                                               \
    PortGuard const port_guard{port};                                                                                \
    CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);                                     \
    PeerConnection const peer_guard                                                                                  \
    {                                                                                                                \
        connection                                                                                                   \
    }

inline void posts(u32 count, u64 payload = first_payload)
{
    auto const answer = peer_post(connection, payload, count);
    CHECK_STATUS(answer.status, Status::Success);
    CHECK_EQ(answer.completed, count);
}

/// The message in the slot is the one with this payload; empties the slot.
inline void takes(u64 payload, u32 size = 16)
{
    CHECK(wait_for_message(sint));
    auto const& message = slot(sint);
    CHECK_EQ(message.type, 0x77);
    CHECK_EQ(message.payload_size, size);
    CHECK_EQ(message.reserved, 0);
    CHECK_EQ(message.origin, port);
    CHECK_EQ(message.payload[0], payload);
    release_slot(sint);
}

inline void nothing_arrives()
{
    wrmsr(msr::eom, 0);
    let_time_pass(20'000);
    CHECK_EQ(slot(sint).type, message_none);
}

} // namespace guest::root_posts
