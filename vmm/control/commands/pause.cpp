#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"

#include <nlohmann/json.hpp>

namespace vmm::control {

void pause(Call& call)
{
    call.arguments.refuse_rest();
    auto const who = call.guest->options().designation();
    if (call.guest->pause_state() != Guest::Pause::No) throw UserError{who + " is paused already"};
    call.guest->pause([reply = call.reply, who](Guest::Pause state, std::string_view why_not) {
        if (state == Guest::Pause::No)
            reply.fail(who + " was not paused: " + std::string{why_not});
        else
            reply.answer({{"time", state == Guest::Pause::TimeStopped ? "stopped" : "goes-on"}});
    });
}

void resume(Call& call)
{
    call.arguments.refuse_rest();
    if (call.guest->pause_state() == Guest::Pause::No)
        throw UserError{call.guest->options().designation() + " is not paused"};
    call.guest->resume();
    call.reply.answer(nlohmann::json::object());
}

} // namespace vmm::control
