#include "devices/firmware/network_mailbox.hpp"

#include "devices/base/guarded_thread.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace devices::firmware {

namespace {

using Filter = net::FirmwarePort::Filter;

static_assert(network::longest_frame == net::FirmwarePort::longest_frame);
static_assert(network::shortest_frame == net::FirmwarePort::shortest_frame);

constexpr std::uint64_t low_half = 0xFFFF'FFFF;

Filter filter_of(std::uint32_t value)
{
    return {.unicast = (value & network::wanted::unicast) != 0,
            .multicast = (value & network::wanted::multicast) != 0,
            .broadcast = (value & network::wanted::broadcast) != 0,
            .all = (value & network::wanted::all) != 0};
}

std::uint32_t value_of(Filter filter)
{
    return (filter.unicast ? network::wanted::unicast : 0) | (filter.multicast ? network::wanted::multicast : 0) |
           (filter.broadcast ? network::wanted::broadcast : 0) | (filter.all ? network::wanted::all : 0);
}

std::uint32_t dword_at(std::span<std::uint8_t const> bytes, std::size_t offset)
{
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + offset, std::min(sizeof value, bytes.size() - offset));
    return value;
}

} // namespace

NetworkMailbox::NetworkMailbox(hv::GuestMemory const& memory, std::vector<BootCard> cards) : memory_{memory}
{
    for (auto& card : cards)
        if (cards_.size() < network::most_cards) cards_.push_back(std::make_unique<Card>(std::move(card)));
}

NetworkMailbox::Card* NetworkMailbox::card_of(std::uint64_t offset) const
{
    auto const index = offset / network::card_size;
    return index < cards_.size() ? cards_[index].get() : nullptr;
}

std::uint32_t NetworkMailbox::read_dword(std::uint64_t offset, unsigned size)
{
    auto* const card = card_of(offset);
    if (!card) return 0;
    // Whole dwords alone take a frame: the driver reads nothing else.
    auto const at = offset & ~std::uint64_t{3};
    if (at % network::card_size == network::receive) return size == 4 ? receive(*card) : 0;
    return read_register(*card, at % network::card_size) >> 8 * (offset % 4);
}

std::uint32_t NetworkMailbox::read_register(Card const& card, std::uint64_t offset)
{
    auto const& what = card.what;
    if (offset >= network::instance && offset < network::instance + what.instance.size())
        return dword_at(what.instance, offset - network::instance);
    switch (offset) {
    case network::present: return 1;
    case network::mac_low: return dword_at(what.mac.bytes, 0);
    case network::mac_high: return dword_at(what.mac.bytes, sizeof(std::uint32_t));
    case network::place: return what.place;
    case network::link: return what.link_up() ? 1 : 0;
    case network::filter: return value_of(what.port->filter());
    case network::address_low: return static_cast<std::uint32_t>(card.address & low_half);
    case network::address_high: return static_cast<std::uint32_t>(card.address >> 32);
    case network::send: return card.sent ? 1 : 0;
    case network::waiting: return static_cast<std::uint32_t>(what.port->waiting());
    default: return 0;
    }
}

/// Whole dwords: the driver writes nothing else.
void NetworkMailbox::write_dword(std::uint64_t offset, unsigned size, std::uint32_t value)
{
    auto* const card = card_of(offset);
    if (!card || size != 4) return;
    switch (offset % network::card_size) {
    case network::filter:
        contain([&] { card->what.port->listen(filter_of(value)); }, [](char const*) {}); // for want of memory: deaf
        break;
    case network::address_low: card->address = (card->address & ~low_half) | value; break;
    case network::address_high: card->address = (card->address & low_half) | std::uint64_t{value} << 32; break;
    case network::send: card->sent = send(*card, value); break;
    default: break;
    }
}

bool NetworkMailbox::send(Card& card, std::uint32_t size) const
{
    if (size < network::shortest_frame || size > network::longest_frame || !card.what.link_up()) return false;
    auto const* const frame = memory_.at(hv::Gpa{card.address}, size);
    return frame && card.what.port->send({frame, size});
}

std::uint32_t NetworkMailbox::receive(Card& card) const
{
    auto& port = *card.what.port;
    if (!card.what.link_up()) port.forget_waiting();
    auto* const room = memory_.at(hv::Gpa{card.address}, network::longest_frame);
    return room ? static_cast<std::uint32_t>(port.take({room, network::longest_frame})) : 0;
}

void NetworkMailbox::visit(hv::StateVisitor& visitor)
{
    for (std::size_t n = 0; n < cards_.size(); ++n) {
        auto& card = *cards_[n];
        hv::VisitedNode const node{visitor, std::to_string(n)};
        std::uint64_t address = card.address;
        visitor.number("address", address);
        std::uint64_t wanted = value_of(card.what.port->filter());
        visitor.number("filter", wanted);
        bool sent = card.sent;
        visitor.flag("sent", sent);
        if (!visitor.restores()) continue;
        card.address = address;
        card.sent = sent;
        card.what.port->listen(filter_of(static_cast<std::uint32_t>(wanted)));
    }
}

} // namespace devices::firmware
