/// What the table of commands names; docs/control.md describes each.
#pragma once

#include "devices/vmbus/network/nic.hpp"
#include "vmm/control/command.hpp"

#include <string>

namespace vmm::control {

void status(Call& call);
[[nodiscard]] std::string print_status(nlohmann::json const& answer);

void shutdown(Call& call);
void kvp(Call& call);
void key(Call& call);
void type(Call& call);
void mouse(Call& call);
void screenshot(Call& call);
void new_generation(Call& call);
void disk_add(Call& call);
void disk_remove(Call& call);
void pause(Call& call);
void resume(Call& call);
void net_link(Call& call);
void memory(Call& call);
/// "0" is the first one. Throws UserError.
[[nodiscard]] devices::network::Nic& card_of(Guest const& guest, std::string const& text);
void inspect(Call& call);

} // namespace vmm::control
