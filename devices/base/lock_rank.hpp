/// The order of the devices' locks. All come before those of the model, which devices call with theirs held.
#pragma once

#include "hv/base/sync.hpp"

namespace devices {

enum class LockRank : unsigned {
    Controller,     ///< a storage controller's list of disks
    PrimaryChannel, ///< the primary channel of a network card, which has others change their path
    Channel,        ///< any other channel of a device on VMBus: its incoming ring, and what it does with it
    Listening,      ///< whether a network card's backend is to receive
    Card,           ///< what the channels of a network card share
    Receiver,       ///< frames on their way from a backend to a ring
    Ring,           ///< the outgoing ring of a network card's channel
    Clock,          ///< the real-time clock, whose alarm is an event of ACPI's fixed hardware
    PciFunction,    ///< a PCI function's configuration: its ranges are on buses, its capabilities have registers
    Console,        ///< the registers of the firmware's console, which set the screen's mode
    FirmwareNet,    ///< frames of the firmware's, which it sends by a network card's backend
    TestPeer,       ///< the test peer, whose ports have inboxes
    Leaf,           ///< no other lock of a device is taken while it is held: registers, lists, budgets, queues
};
static_assert(static_cast<unsigned>(LockRank::Leaf) < hv::first_model_rank);

template <LockRank Rank>
using Mutex = hv::Mutex<Rank>;

} // namespace devices
