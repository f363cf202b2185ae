#include "devices/efi/network_functions.hpp"

#include "devices/efi/undisturbed.hpp"

namespace efi {

namespace {

namespace network = devices::firmware::network;
using State = SimpleNetwork::State;
using Filter = SimpleNetwork::Filter;

constexpr auto address_size = NetworkCard::address_size;
constexpr auto header_size = NetworkCard::header_size;

NetworkCard& card_of(SimpleNetwork* self)
{
    return *reinterpret_cast<NetworkCard*>(self);
}

void write_address(NetworkCard& card, void const* place)
{
    auto const address = reinterpret_cast<uint64_t>(place);
    card.write(network::address_low, address);
    card.write(network::address_high, address >> 32);
    asm volatile("" : : "r"(place) : "memory"); // it is read or written there
}

void copy_address(NetworkAddress* to, void const* from)
{
    if (to == nullptr) return;
    *to = {};
    __builtin_memcpy(to->bytes, from, address_size);
}

bool same_address(NetworkAddress const& one, NetworkAddress const& other)
{
    for (size_t n = 0; n < address_size; ++n)
        if (one.bytes[n] != other.bytes[n]) return false;
    return true;
}

/// What a call wants that works on frames.
Status check_state(NetworkCard const& card)
{
    if (card.mode.state == State::Initialized) return success;
    return card.mode.state == State::Started ? device_error : not_started;
}

/// Of a group, all are wanted: who uses the protocol looks for those of his own.
uint32_t wanted_of(uint32_t filter)
{
    constexpr auto groups = Filter::multicast | Filter::all_multicast;
    return ((filter & Filter::unicast) != 0 ? network::wanted::unicast : 0) |
           ((filter & groups) != 0 ? network::wanted::multicast : 0) |
           ((filter & Filter::broadcast) != 0 ? network::wanted::broadcast : 0) |
           ((filter & Filter::promiscuous) != 0 ? network::wanted::all : 0);
}

void set_filter(NetworkCard& card, uint32_t filter)
{
    card.mode.filter = filter;
    card.write(network::filter, wanted_of(filter));
}

/// §24.1.2.
Status start(SimpleNetwork* self)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    if (card.mode.state != State::Stopped) return already_started;
    card.mode.state = State::Started;
    return success;
}

Status stop(SimpleNetwork* self)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    if (card.mode.state == State::Stopped) return not_started;
    if (card.mode.state != State::Started) return device_error;
    card.mode.state = State::Stopped;
    return success;
}

/// §24.1.4. The host has buffers as it has; what is asked for beside that is not needed.
Status initialize(SimpleNetwork* self, size_t, size_t)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    if (card.mode.state == State::Stopped) return not_started;
    if (card.mode.state != State::Started) return device_error;
    card.forget();
    card.mode.group_count = 0;
    set_filter(card, 0);
    card.look_at_media();
    card.mode.state = State::Initialized;
    return success;
}

Status reset(SimpleNetwork* self, bool)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    auto const status = check_state(card);
    if (failed(status)) return status;
    card.forget();
    return success;
}

Status shutdown(SimpleNetwork* self)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    auto const status = check_state(card);
    if (failed(status)) return status;
    set_filter(card, 0);
    card.forget();
    card.mode.state = State::Started;
    return success;
}

/// §24.1.7.
Status receive_filters(SimpleNetwork* self, uint32_t enable, uint32_t disable, bool reset_groups, size_t group_count,
                       NetworkAddress const* groups)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    auto const status = check_state(card);
    if (failed(status)) return status;
    bool const listed = !reset_groups && group_count != 0;
    if ((enable & ~card.mode.filters) != 0 || (listed && groups == nullptr) || group_count > card.mode.most_groups)
        return invalid_parameter;
    if (reset_groups) card.mode.group_count = 0;
    if (listed) {
        for (size_t n = 0; n < group_count; ++n)
            card.mode.groups[n] = groups[n];
        card.mode.group_count = static_cast<uint32_t>(group_count);
    }
    set_filter(card, (card.mode.filter | enable) & ~disable);
    return success;
}

/// §24.1.8. It is the one that the guest's card has.
Status station_address(SimpleNetwork* self, bool reset, NetworkAddress const* address)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    auto const status = check_state(card);
    if (failed(status)) return status;
    if (reset) return success;
    if (address == nullptr) return invalid_parameter;
    return same_address(*address, card.mode.permanent_address) ? success : unsupported;
}

Status statistics(SimpleNetwork*, bool, size_t*, void*)
{
    return unsupported;
}

/// §24.1.10: RFC 1112 §6.4, RFC 2464 §7.
Status group_of_ip(SimpleNetwork*, bool ipv6, uint8_t const* ip, NetworkAddress* group)
{
    if (ip == nullptr || group == nullptr) return invalid_parameter;
    *group = {};
    auto* const bytes = group->bytes;
    if (ipv6) {
        bytes[0] = bytes[1] = 0x33;
        __builtin_memcpy(bytes + 2, ip + 12, 4);
        return success;
    }
    bytes[0] = 0x01;
    bytes[2] = 0x5E;
    bytes[3] = ip[1] & 0x7F;
    __builtin_memcpy(bytes + 4, ip + 2, 2);
    return success;
}

Status nv_data(SimpleNetwork*, bool, size_t, size_t, void*)
{
    return unsupported;
}

/// §24.1.12. What was sent is given back, the oldest first.
Status get_status(SimpleNetwork* self, uint32_t* interrupts, void** transmitted)
{
    if (self == nullptr || (interrupts == nullptr && transmitted == nullptr)) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    auto const status = check_state(card);
    if (failed(status)) return status;
    card.look_at_media();
    if (interrupts != nullptr) {
        bool const frames = card.held != 0 || card.read(network::waiting) != 0;
        *interrupts = (frames ? SimpleNetwork::Interrupt::received : 0) |
                      (card.transmitted_count != 0 ? SimpleNetwork::Interrupt::transmitted : 0);
    }
    if (transmitted == nullptr) return success;
    *transmitted = nullptr;
    if (card.transmitted_count == 0) return success;
    *transmitted = card.transmitted[0];
    --card.transmitted_count;
    for (size_t n = 0; n < card.transmitted_count; ++n)
        card.transmitted[n] = card.transmitted[n + 1];
    return success;
}

void fill_header(NetworkCard const& card, uint8_t* frame, NetworkAddress const* from, NetworkAddress const& to,
                 uint16_t protocol)
{
    __builtin_memcpy(frame, to.bytes, address_size);
    __builtin_memcpy(frame + address_size, (from != nullptr ? *from : card.mode.current_address).bytes, address_size);
    frame[2 * address_size] = static_cast<uint8_t>(protocol >> 8);
    frame[2 * address_size + 1] = static_cast<uint8_t>(protocol);
}

/// §24.1.13. It is sent, or lost as on any network, when this returns.
Status transmit(SimpleNetwork* self, size_t header, size_t size, void* buffer, NetworkAddress const* from,
                NetworkAddress const* to, uint16_t const* protocol)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    auto const status = check_state(card);
    if (failed(status)) return status;
    if (buffer == nullptr || (header != 0 && (header != header_size || to == nullptr || protocol == nullptr)))
        return invalid_parameter;
    if (size < header_size) return buffer_too_small;
    if (size > network::longest_frame) return invalid_parameter;
    if (card.transmitted_count == NetworkCard::most_transmitted) return not_ready;
    if (header != 0) fill_header(card, static_cast<uint8_t*>(buffer), from, *to, *protocol);
    write_address(card, buffer);
    card.write(network::send, size);
    card.transmitted[card.transmitted_count++] = buffer;
    return success;
}

/// §24.1.14. A frame that has no room waits on.
Status receive(SimpleNetwork* self, size_t* header, size_t* size, void* buffer, NetworkAddress* from,
               NetworkAddress* to, uint16_t* protocol)
{
    if (self == nullptr) return invalid_parameter;
    auto& card = card_of(self);
    Undisturbed const undisturbed{*card.boot};
    auto const status = check_state(card);
    if (failed(status)) return status;
    if (size == nullptr || buffer == nullptr) return invalid_parameter;
    if (card.held == 0) {
        write_address(card, card.frame);
        card.held = card.read(network::receive);
        asm volatile("" : : : "memory"); // it was written there
    }
    if (card.held < network::shortest_frame || card.held > network::longest_frame) {
        card.held = 0;
        return not_ready;
    }
    bool const fits = *size >= card.held;
    *size = card.held;
    if (!fits) return buffer_too_small;
    __builtin_memcpy(buffer, card.frame, card.held);
    card.held = 0;
    if (header != nullptr) *header = header_size;
    copy_address(to, card.frame);
    copy_address(from, card.frame + address_size);
    if (protocol != nullptr)
        *protocol = static_cast<uint16_t>(card.frame[2 * address_size] << 8 | card.frame[2 * address_size + 1]);
    return success;
}

} // namespace

void wait_for_packet(Event event, void* context)
{
    auto& card = *static_cast<NetworkCard*>(context);
    if (card.held != 0 || card.read(network::waiting) != 0) (void)card.boot->signal_event(event);
}

void end_network(Event, void* context)
{
    set_filter(*static_cast<NetworkCard*>(context), 0);
}

SimpleNetwork network_functions(NetworkCard& card)
{
    return {.revision = SimpleNetwork::first_revision,
            .start = start,
            .stop = stop,
            .initialize = initialize,
            .reset = reset,
            .shutdown = shutdown,
            .receive_filters = receive_filters,
            .station_address = station_address,
            .statistics = statistics,
            .group_of_ip = group_of_ip,
            .nv_data = nv_data,
            .get_status = get_status,
            .transmit = transmit,
            .receive = receive,
            .wait_for_packet = nullptr,
            .mode = &card.mode};
}

} // namespace efi
