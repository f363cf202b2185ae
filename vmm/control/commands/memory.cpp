#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/options/option_values.hpp"

#include <nlohmann/json.hpp>

namespace vmm::control {

/// Asks a guest with dynamic memory to have so much of it. It goes there step by step, as far as it can: its status
/// has how far it is.
void memory(Call& call)
{
    auto const size = call.arguments.take("size");
    call.arguments.refuse_rest();
    auto const bytes = parse_memory("size", printable(size));
    auto const& options = call.guest->options();
    auto* const balloon = call.guest->balloon();
    if (!balloon) {
        throw UserError{options.designation() + " has the same memory all the time: start it with a most, like "
                                                "--memory 1G,max=4G"};
    }
    if (bytes > options.most_memory) {
        throw UserError{"size: '" + printable(size) + "' is more than the guest may come to have: use at most " +
                        std::to_string(options.most_memory >> 20) + "M"};
    }
    balloon->resize(bytes);
    call.reply.answer({{"memory", balloon->status().has}, {"wanted", bytes}});
}

} // namespace vmm::control
