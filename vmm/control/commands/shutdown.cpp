#include "vmm/control/commands/commands.hpp"
#include "vmm/user_error.hpp"

#include <nlohmann/json.hpp>

namespace vmm::control {

/// By the ACPI power button. That the guest has powered off shows in its status, or in the end of the run.
void shutdown(Call& call)
{
    call.arguments.refuse_rest();
    if (call.guest->pause_state() != Guest::Pause::No)
        throw UserError{call.guest->options().designation() + " is paused: resume it first"};
    call.guest->press_power_button();
    call.reply.answer({{"asked-by", "power-button"}});
}

} // namespace vmm::control
