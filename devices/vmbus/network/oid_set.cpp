#include "devices/vmbus/network/oids.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

namespace devices::network {

namespace {

using rndis::Status;

/// The structure at the start of `value`, as much of it as there is, and zeros behind that. False when less than
/// `least` bytes are there.
template <typename T>
bool read(std::span<std::byte const> value, T& out, std::size_t least = sizeof(T))
{
    if (value.size() < least) return false;
    out = {};
    std::memcpy(&out, value.data(), std::min(value.size(), sizeof out));
    return true;
}

std::optional<std::span<std::byte const>> part(std::span<std::byte const> value, std::size_t offset, std::size_t size)
{
    if (offset > value.size() || size > value.size() - offset) return std::nullopt;
    return value.subspan(offset, size);
}

Status set_packet_filter(std::span<std::byte const> value, Settings& settings)
{
    std::uint32_t filter = 0;
    if (!read(value, filter)) return Status::InvalidLength;
    settings.packet_filter = filter;
    return Status::Success;
}

/// 1 off, 2 sending only, 3 receiving only, 4 both; anything else changes nothing.
void change_checksum(std::uint8_t value, bool& send, bool& receive)
{
    if (value < 1 || value > 4) return;
    send = value == 2 || value == 4;
    receive = value == 3 || value == 4;
}

void change(std::uint8_t value, bool& on)
{
    if (value == 1 || value == 2) on = value == 2;
}

Status set_offloads(std::span<std::byte const> value, Facts const& facts, Settings& settings)
{
    constexpr std::size_t least = 16; // up to the flags
    ndis::OffloadParameters parameters;
    if (!read(value, parameters, least)) return Status::InvalidLength;
    if (parameters.header.type != ndis::type_default) return Status::InvalidData;
    if (parameters.large_send_v1 == 2) return Status::NotSupported;

    auto receive4 = settings.receive_checksum;
    auto receive6 = settings.receive_checksum;
    change_checksum(parameters.tcp4_checksum, settings.send_checksum4, receive4);
    change_checksum(parameters.tcp6_checksum, settings.send_checksum6, receive6);
    settings.receive_checksum = receive4 && receive6;
    change(parameters.large_send4, settings.large_send4);
    change(parameters.large_send6, settings.large_send6);
    change(parameters.receive_coalescing[0], settings.coalescing4);
    change(parameters.receive_coalescing[1], settings.coalescing6);

    settings.send_checksum4 &= facts.backend.checksum;
    settings.send_checksum6 &= facts.backend.checksum;
    settings.large_send4 &= facts.backend.checksum && facts.backend.large4;
    settings.large_send6 &= facts.backend.checksum && facts.backend.large6;
    settings.coalescing4 &= settings.coalescing_possible;
    settings.coalescing6 &= settings.coalescing_possible;
    return Status::Success;
}

Status set_encapsulation(std::span<std::byte const> value)
{
    constexpr std::uint32_t on = 1;
    ndis::OffloadEncapsulation wanted;
    if (!read(value, wanted)) return Status::InvalidLength;
    auto const other = [](std::uint32_t set, std::uint32_t type, std::uint32_t size) {
        return set == on && (type != ndis::encapsulation_ethernet || size != net::ethernet_header);
    };
    if (other(wanted.ipv4, wanted.type4, wanted.header_size4) ||
        other(wanted.ipv6, wanted.type6, wanted.header_size6))
        return Status::NotSupported;
    return Status::Success;
}

Status set_rss(std::span<std::byte const> value, Facts const& facts, Settings& settings)
{
    ndis::RssParameters parameters;
    if (!read(value, parameters)) return Status::InvalidLength;
    if ((parameters.flags & ndis::rss_flag_disable) != 0 ||
        (parameters.hash & ndis::rss_hash::function_mask) != ndis::rss_hash::toeplitz) {
        settings.rss = {};
        return Status::Success;
    }

    constexpr std::size_t entry_size = sizeof(std::uint32_t);
    auto const entries = std::min<std::size_t>(parameters.table_size / entry_size, ndis::rss_table_entries);
    auto const table = part(value, parameters.table_offset, entries * entry_size);
    auto const key = part(value, parameters.key_offset, ndis::rss_key_size);
    if (entries == 0 || parameters.key_size != ndis::rss_key_size || !table || !key) return Status::InvalidData;

    RssSetting rss;
    rss.on = true;
    rss.hashed = parameters.hash;
    for (std::size_t i = 0; i < rss.table.size(); ++i) { // a shorter table is repeated
        std::uint32_t channel = 0;
        std::memcpy(&channel, table->data() + i % entries * entry_size, entry_size);
        if (channel >= facts.max_channels) return Status::InvalidData;
        rss.table[i] = static_cast<std::uint16_t>(channel);
    }
    std::ranges::copy(*key, rss.key.begin());
    settings.rss = rss;
    return Status::Success;
}

/// UTF-16 that should be ASCII.
std::string ascii(std::span<std::byte const> text)
{
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out.push_back(text[i + 1] == std::byte{0} ? std::to_integer<char>(text[i]) : '?');
    while (!out.empty() && out.back() == '\0')
        out.pop_back();
    return out;
}

/// The one parameter that guests set: the address that they want to have.
Status set_config(std::span<std::byte const> value, Settings& settings)
{
    ndis::ConfigParameter parameter;
    if (!read(value, parameter)) return Status::InvalidLength;
    auto const name = part(value, parameter.name_offset, parameter.name_length);
    auto const content = part(value, parameter.value_offset, parameter.value_length);
    constexpr std::size_t longest = 256;
    if (!name || !content || name->size() > longest || content->size() > longest) return Status::InvalidData;
    if (parameter.type != ndis::config_type_string || ascii(*name) != "NetworkAddress") return Status::NotSupported;

    auto const digits = ascii(*content);
    constexpr std::size_t bare = 12; // digits without colons
    if (digits.size() != bare) return Status::InvalidData;
    std::string text;
    for (std::size_t i = 0; i < bare; ++i) {
        if (i > 0 && i % 2 == 0) text.push_back(':');
        text.push_back(digits[i]);
    }
    auto const mac = net::parse_mac_address(text);
    if (!mac || mac->multicast()) return Status::InvalidData;
    settings.mac = *mac;
    return Status::Success;
}

} // namespace

Status set_oid(ndis::Oid oid, std::span<std::byte const> value, Facts const& facts, Settings& settings)
{
    switch (oid) {
    case ndis::Oid::CurrentPacketFilter: return set_packet_filter(value, settings);
    case ndis::Oid::OffloadParameters: return set_offloads(value, facts, settings);
    case ndis::Oid::OffloadEncapsulation: return set_encapsulation(value);
    case ndis::Oid::ReceiveScaleParameters: return set_rss(value, facts, settings);
    case ndis::Oid::RndisConfigParameter: return set_config(value, settings);
    case ndis::Oid::CurrentLookahead:
    case ndis::Oid::ProtocolOptions:
    case ndis::Oid::LinkParameters:
    case ndis::Oid::NetworkLayerAddresses:
    case ndis::Oid::MulticastList: return Status::Success; // nothing here depends on them
    default: return Status::NotSupported;
    }
}

} // namespace devices::network
