/// What Porthole's EFI driver and the mailbox of the network cards agree on. Both include this; the driver has no C++
/// library.
#pragma once

#include <stdint.h>

namespace devices::firmware::network {

// The third base address register of the mailbox's function (mailbox_protocol.hpp), 32 bits of memory; only where the
// guest has a network card. Each card has registers of its own, one card's behind the other's.
inline constexpr uint8_t bar = 2;
inline constexpr uint32_t size = 4096;     ///< bytes
inline constexpr uint32_t card_size = 256; ///< likewise, of one card's registers
inline constexpr uint32_t most_cards = size / card_size;

// Registers of a card, each a dword, by their offsets.
inline constexpr uint32_t present = 0x00; ///< read: 1: there is such a card
inline constexpr uint32_t mac_low = 0x04; ///< read: the first byte of its address is the lowest one
inline constexpr uint32_t mac_high = 0x08;
inline constexpr uint32_t place = 0x0C;       ///< read: among those to boot from, the lowest first; 0: it has none
inline constexpr uint32_t instance = 0x10;    ///< read: its VMBus instance, four dwords, as a GUID lies in memory
inline constexpr uint32_t link = 0x20;        ///< read: 1: the cable is in
inline constexpr uint32_t filter = 0x24;      ///< which frames are wanted, of `wanted`; 0: none, nobody listens
inline constexpr uint32_t address_low = 0x28; ///< of a frame's place in the guest's RAM
inline constexpr uint32_t address_high = 0x2C;
inline constexpr uint32_t send = 0x30;    ///< written: sends a frame of so many bytes; read: 1: the last one was sent
inline constexpr uint32_t receive = 0x34; ///< read: moves the next frame, returns its size in bytes; 0: there is none
inline constexpr uint32_t waiting = 0x38; ///< read: how many frames there are

namespace wanted {
inline constexpr uint32_t unicast = 0x01; ///< to the card's own address
inline constexpr uint32_t multicast = 0x02;
inline constexpr uint32_t broadcast = 0x04;
inline constexpr uint32_t all = 0x08;
} // namespace wanted

inline constexpr uint32_t shortest_frame = 14;  ///< bytes, from the header on, without a checksum
inline constexpr uint32_t longest_frame = 1518; ///< likewise; there is so much room at the place for one

} // namespace devices::firmware::network
