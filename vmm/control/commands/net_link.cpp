#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/machine/network_cards.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace vmm::control {

devices::network::Nic& card_of(Guest const& guest, std::string const& text)
{
    auto const& cards = guest.network().cards();
    std::size_t card = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), card);
    if (error == std::errc{} && end == text.data() + text.size() && card < cards.size()) return *cards[card];
    if (cards.empty()) throw UserError{"the guest has no network card: give it one with --net"};
    throw UserError{"there is no network card '" + printable(text) + "': use 0" +
                    (cards.size() > 1 ? " to " + std::to_string(cards.size() - 1) : "")};
}

/// Plugs the cable of a network card in, or pulls it. Cards count from 0, in the order of the options.
void net_link(Call& call)
{
    auto& card = card_of(*call.guest, call.arguments.take("card"));
    auto const state = call.arguments.take("state");
    call.arguments.refuse_rest();
    if (state != "up" && state != "down") throw UserError{"a link is not '" + printable(state) + "': use up or down"};
    card.set_link(state == "up");
    if (state == "up" && !card.link_up())
        throw UserError{"the network behind the card has gone (" + card.backend() + "): its link stays down"};
    call.reply.answer({{"mac", to_string(card.mac())}, {"network", card.backend()}, {"link", state}});
}

} // namespace vmm::control
