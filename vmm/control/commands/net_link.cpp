#include "vmm/control/commands/commands.hpp"
#include "vmm/machine/network_cards.hpp"
#include "vmm/user_error.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace vmm::control {

namespace {

std::size_t card_of(std::string const& text, std::size_t count)
{
    std::size_t card = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), card);
    if (error == std::errc{} && end == text.data() + text.size() && card < count) return card;
    if (count == 0) throw UserError{"the guest has no network card: give it one with --net"};
    throw UserError{"there is no network card '" + text + "': use 0" +
                    (count > 1 ? " to " + std::to_string(count - 1) : "")};
}

} // namespace

/// Plugs the cable of a network card in, or pulls it. Cards count from 0, in the order of the options.
void net_link(Call& call)
{
    auto const& cards = call.guest->network().cards();
    auto const card = card_of(call.arguments.take("card"), cards.size());
    auto const state = call.arguments.take("state");
    call.arguments.refuse_rest();
    if (state != "up" && state != "down") throw UserError{"a link is not '" + state + "': use up or down"};
    cards[card]->set_link(state == "up");
    call.reply.answer({{"mac", to_string(cards[card]->mac())}, {"network", cards[card]->backend()}, {"link", state}});
}

} // namespace vmm::control
