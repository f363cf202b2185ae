#include "vmm/control/commands/commands.hpp"

#include <nlohmann/json.hpp>

namespace vmm::control {

/// By the ACPI power button. That the guest has powered off shows in its status, or in the end of the run.
void shutdown(Call& call)
{
    call.arguments.refuse_rest();
    call.guest->press_power_button();
    call.reply.answer({{"asked-by", "power-button"}});
}

} // namespace vmm::control
