#include "devices/efi/network.hpp"

#include "devices/efi/network_functions.hpp"

namespace efi {

namespace {

namespace network = devices::firmware::network;
using State = SimpleNetwork::State;
using Filter = SimpleNetwork::Filter;

constexpr auto address_size = NetworkCard::address_size;

uint32_t read_register(PciIo& pci, uint32_t offset)
{
    uint32_t value = 0;
    auto const status = pci.read_memory(&pci, PciIo::Width::Dword, network::bar, offset, 1, &value);
    return failed(status) ? 0 : value;
}

SimpleNetwork::Mode first_mode(NetworkAddress const& address)
{
    SimpleNetwork::Mode mode{.state = State::Stopped,
                             .address_size = address_size,
                             .header_size = NetworkCard::header_size,
                             .most_payload = 1500,
                             .nvram_size = 0,
                             .nvram_access_size = 0,
                             .filters = Filter::all,
                             .filter = 0,
                             .most_groups = SimpleNetwork::most_groups,
                             .group_count = 0,
                             .groups = {},
                             .current_address = address,
                             .broadcast_address = {},
                             .permanent_address = address,
                             .kind = 1, // Ethernet
                             .address_changeable = false,
                             .several_transmitted = true,
                             .media_known = true,
                             .media_present = false};
    for (size_t n = 0; n < address_size; ++n)
        mode.broadcast_address.bytes[n] = 0xFF;
    return mode;
}

NetworkAddress read_address(NetworkCard& card)
{
    auto const low = card.read(network::mac_low);
    auto const high = card.read(network::mac_high);
    NetworkAddress address{};
    for (unsigned n = 0; n < 4; ++n)
        address.bytes[n] = static_cast<uint8_t>(low >> 8 * n);
    address.bytes[4] = static_cast<uint8_t>(high);
    address.bytes[5] = static_cast<uint8_t>(high >> 8);
    return address;
}

void name(NetworkCard& card, uint32_t unit)
{
    card.path = {};
    uint32_t instance[4]; // NOLINT(*-avoid-c-arrays): there is no C++ library
    for (uint32_t n = 0; n < 4; ++n)
        instance[n] = card.read(network::instance + 4 * n);
    __builtin_memcpy(&card.path.channel.instance, instance, sizeof instance);
    __builtin_memcpy(card.path.mac.address, card.mode.permanent_address.bytes, address_size);
    card.boot_path = {};
    card.boot_path.channel = card.path.channel;
    card.boot_path.mac = card.path.mac;
    card.bootable = {.kind = Bootable::Kind::Network,
                     .unit = unit,
                     .place = card.read(network::place),
                     .path = &card.boot_path,
                     .path_size = sizeof card.boot_path,
                     .own_size = sizeof card.path - sizeof card.path.end,
                     .blocks = nullptr,
                     .next = nullptr};
}

void initialise(NetworkCard& card, BootServices& boot, PciIo& pci, uint32_t unit)
{
    card.network = network_functions(card);
    card.boot = &boot;
    card.mailbox = &pci;
    card.registers = unit * network::card_size;
    card.forget();
    card.mode = first_mode(read_address(card));
    card.look_at_media();
    name(card, unit);
}

/// Null when the firmware does not take it.
NetworkCard* add_card(BootServices& boot, PciIo& pci, uint32_t unit)
{
    void* memory = nullptr;
    if (failed(boot.allocate_pool(MemoryType::BootServicesData, sizeof(NetworkCard), &memory))) return nullptr;
    auto& card = *static_cast<NetworkCard*>(memory);
    initialise(card, boot, pci, unit);
    Event ending = nullptr;
    Handle handle = nullptr;
    // What fails here leaves an event behind, whose card so stays too.
    if (failed(boot.create_event(event_notify_wait, Priority::Notify, wait_for_packet, &card,
                                 &card.network.wait_for_packet)) ||
        failed(boot.create_event(event_exit_boot_services, Priority::Callback, end_network, &card, &ending)) ||
        failed(boot.install_multiple_protocol_interfaces(&handle, &device_path_guid, &card.path, &SimpleNetwork::guid,
                                                         &card.network, nullptr)))
        return nullptr;
    return &card;
}

} // namespace

uint32_t NetworkCard::read(uint32_t offset)
{
    return read_register(*mailbox, registers + offset);
}

void NetworkCard::write(uint32_t offset, uint64_t value)
{
    auto dword = static_cast<uint32_t>(value);
    (void)mailbox->write_memory(mailbox, PciIo::Width::Dword, network::bar, registers + offset, 1, &dword);
}

void NetworkCard::look_at_media()
{
    mode.media_present = read(network::link) != 0;
}

void NetworkCard::forget()
{
    held = 0;
    transmitted_count = 0;
}

Bootable* add_network_cards(BootServices& boot, PciIo& pci, Bootable* others)
{
    for (uint32_t unit = 0; unit < network::most_cards; ++unit) {
        if (read_register(pci, unit * network::card_size + network::present) != 1) break;
        auto* const card = add_card(boot, pci, unit);
        if (!card) continue;
        card->bootable.next = others;
        others = &card->bootable;
    }
    return others;
}

} // namespace efi
