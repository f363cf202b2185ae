/// The order in which the firmware tries what it can boot: its variables BootOrder and Boot#### (UEFI
/// Specification 2.10 §3.1), changed so that the disks and network cards that the user has put in an order come
/// first.
#pragma once

#include "devices/efi/bootable.hpp"
#include "devices/efi/efi.hpp"

namespace efi {

/// For what a guest has, a list by `Bootable::next`. What belongs to one that has a place comes in that order, and
/// before all else: an operating system's own entries, which name a partition of a disk, as well as the firmware's
/// for all of it, or for what may come by a card. One without any gets one of ours. Those of an earlier run are
/// removed. When the order is that already, nothing is written. Before the firmware reads it, and so before it adds
/// entries for new devices, at the end.
void arrange_boot_order(RuntimeServices& runtime, Bootable* devices);

} // namespace efi
