/// A network card of the guest's, as firmware uses one: EFI_SIMPLE_NETWORK_PROTOCOL over the mailbox.
#pragma once

#include "devices/efi/bootable.hpp"
#include "devices/efi/device_path.hpp"
#include "devices/efi/efi.hpp"
#include "devices/efi/simple_network.hpp"
#include "devices/firmware/network_protocol.hpp"

namespace efi {

/// Its memory is what protocols were installed with, and so stays where it is.
struct NetworkCard {
    static constexpr size_t address_size = 6;
    static constexpr size_t header_size = 14;      ///< to, from, protocol
    static constexpr size_t most_transmitted = 32; ///< buffers that nobody has asked back yet
    static_assert(header_size == devices::firmware::network::shortest_frame);

    SimpleNetwork network; ///< first: the protocol's functions find the card by it
    SimpleNetwork::Mode mode;
    CardPath path;
    CardBootPath boot_path;
    Bootable bootable;
    BootServices* boot;
    PciIo* mailbox;
    uint32_t registers; ///< where its own begin
    void* transmitted[most_transmitted];
    size_t transmitted_count;
    uint32_t held; ///< bytes of a frame that waits in `frame`; 0: none
    alignas(8) uint8_t frame[devices::firmware::network::longest_frame];

    /// Its registers, by the offsets of network_protocol.hpp.
    [[nodiscard]] uint32_t read(uint32_t offset);
    void write(uint32_t offset, uint64_t value);
    void look_at_media();
    /// Nothing waits any more, in either direction.
    void forget();
};

/// Makes the guest's cards network interfaces, and puts them in front of `others`. Without any there is nothing to
/// do.
[[nodiscard]] Bootable* add_network_cards(BootServices& boot, PciIo& pci, Bootable* others);

} // namespace efi
