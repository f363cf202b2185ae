#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/machine/guest_services.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace vmm::control {

namespace {

using devices::vmbus::KeyValueService;
using namespace std::chrono_literals;

/// How long a guest has for an answer: its daemon may have to ask others.
constexpr auto patience = 10s;

struct NamedPool {
    std::string_view name;
    KeyValueService::Pool pool;
};

constexpr std::array pools{NamedPool{"auto", KeyValueService::Pool::Auto},
                           NamedPool{"guest", KeyValueService::Pool::Guest},
                           NamedPool{"external", KeyValueService::Pool::External},
                           NamedPool{"auto-external", KeyValueService::Pool::AutoExternal}};

KeyValueService::Pool pool_of(std::string const& name)
{
    for (auto const& known : pools)
        if (known.name == name) return known.pool;
    throw UserError{"there is no pool '" + printable(name) + "': use auto, guest, external or auto-external"};
}

/// Answers with `value` of the result.
template <typename Value>
KeyValueService::Callback answer_with(Reply const& reply, Value value)
{
    return [reply, value](KeyValueService::Result const& result) {
        if (result.error == KeyValueService::Error::None)
            reply.answer(value(result));
        else
            reply.fail(std::string{to_string(result.error)});
    };
}

nlohmann::json values_of(KeyValueService::Result const& result)
{
    auto values = nlohmann::json::object();
    for (auto const& [key, value] : result.pairs)
        values[key] = value;
    return {{"values", std::move(values)}};
}

nlohmann::json parts_of(std::string_view list)
{
    auto parts = nlohmann::json::array();
    while (!list.empty()) {
        auto const end = std::min(list.find(';'), list.size());
        if (end > 0) parts.push_back(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return parts;
}

nlohmann::json addresses_of(KeyValueService::Result const& result)
{
    auto const& said = result.addresses;
    return {{"addresses", parts_of(said.addresses)},
            {"subnets", parts_of(said.subnets)},
            {"gateways", parts_of(said.gateways)},
            {"dns-servers", parts_of(said.dns_servers)},
            {"dhcp", said.dhcp}};
}

} // namespace

/// list [POOL], set KEY VALUE, delete KEY, addresses [CARD].
void kvp(Call& call)
{
    auto& service = call.guest->services().key_value();
    auto const action = call.arguments.take("action");
    auto const nothing = [](auto const&) { return nlohmann::json::object(); };
    if (action == "list") {
        auto const pool = pool_of(call.arguments.take_optional("key").value_or("auto"));
        call.arguments.refuse_rest();
        service.enumerate(pool, patience, answer_with(call.reply, values_of));
    } else if (action == "set") {
        auto const key = call.arguments.take("key");
        auto const value = call.arguments.take("value");
        call.arguments.refuse_rest();
        service.set(KeyValueService::Pool::External, key, value, patience, answer_with(call.reply, nothing));
    } else if (action == "delete") {
        auto const key = call.arguments.take("key");
        call.arguments.refuse_rest();
        service.remove(KeyValueService::Pool::External, key, patience, answer_with(call.reply, nothing));
    } else if (action == "addresses") {
        auto const& card = card_of(*call.guest, call.arguments.take_optional("key").value_or("0"));
        call.arguments.refuse_rest();
        service.addresses(card.mac(), patience, answer_with(call.reply, addresses_of));
    } else {
        throw UserError{"action: '" + printable(action) + "' is not known: use list, set, delete or addresses"};
    }
}

} // namespace vmm::control
