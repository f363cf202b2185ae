/// What most tests of messages and events begin with.
#pragma once

#include "hyperv/peer.hpp"
#include "hyperv/ports.hpp"
#include "hyperv/synic.hpp"
#include "runtime/test.hpp"

/// Hypercalls, and this processor's SynIC for the rest of the test.
#define NEEDS_SYNIC()                                                                                                \
    NEEDS(synic);                                                                                                    \
    NEEDS(hypercall_msrs);                                                                                           \
    guest::hv::enable_hypercalls();                                                                                  \
    guest::Synic const synic_enabled

/// The SynIC test device. Where the root's test peer answers, the device must be there too.
#define NEEDS_TEST_DEVICE()                                                                                          \
    NEEDS_SYNIC();                                                                                                   \
    do {                                                                                                             \
        if (guest::test_device_present()) break;                                                                     \
        if (guest::peer_present()) FAIL("the test peer answers, the SynIC test device does not");                    \
        SKIP("no SynIC test device at I/O port 0x3000");                                                             \
    } while (false)

/// The root's test peer, and the right to create ports.
#define NEEDS_PEER()                                                                                                 \
    NEEDS(create_port);                                                                                              \
    NEEDS_SYNIC();                                                                                                   \
    SKIP_UNLESS(guest::peer_present(), "no test peer at I/O port 0x3010, nor another guest")

/// Another guest as the peer, and no stand-in for it.
#define NEEDS_GUEST_PEER()                                                                                           \
    NEEDS_PEER();                                                                                                    \
    SKIP_UNLESS(guest::peer_is_a_guest(), "the peer is not another guest")

/// That one as a child of this guest, which may act upon it. Only of a child can an interrupt be cleared.
#define NEEDS_CHILD()                                                                                                \
    NEEDS_GUEST_PEER();                                                                                              \
    NEEDS(create_partitions);                                                                                        \
    SKIP_UNLESS(guest::hv::status(guest::hv::hypercall(guest::hv::call::clear_virtual_interrupt | guest::hv::fast,   \
                                                       guest::peer_partition())) != guest::hv::Status::AccessDenied, \
                "the peer is not a child of this guest")
