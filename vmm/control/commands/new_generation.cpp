#include "vmm/control/commands/commands.hpp"

#include <nlohmann/json.hpp>

namespace vmm::control {

/// Tells a guest that it is no longer the one that it was, by a new generation ID.
void new_generation(Call& call)
{
    call.arguments.refuse_rest();
    call.reply.answer({{"generation", to_string(call.guest->change_generation())}});
}

} // namespace vmm::control
