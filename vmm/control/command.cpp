#include "vmm/control/command.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_text.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace vmm::control {

namespace {

using About = Command::About;

constexpr std::array table{
    Command{"status", "", "what each guest is doing", About::Run, status, print_status},
    Command{"inspect", "path?", "the state of partitions, processors, ports and devices", About::Run, inspect,
            nullptr},
    Command{"disk-add", "image", "add a disk, written as for --disk", About::RunningGuest, disk_add, nullptr},
    Command{"disk-remove", "controller lun", "take a disk away", About::RunningGuest, disk_remove, nullptr},
    Command{"pause", "", "stop a guest, and its time, for a while", About::RunningGuest, pause, nullptr},
    Command{"resume", "", "let a paused guest go on", About::RunningGuest, resume, nullptr},
    Command{"shutdown", "how?", "ask a guest to power off, reboot or hibernate", About::UnpausedGuest, shutdown,
            nullptr},
    Command{"kvp", "action key? value?",
            "list, set or delete values that are exchanged with a guest, or list a card's addresses",
            About::UnpausedGuest, kvp, nullptr},
    Command{"key", "code",
            "press keys of a guest's keyboard and release them: a code, or names such as ctrl+alt+delete",
            About::UnpausedGuest, key, nullptr},
    Command{"type", "text", "type a text on a guest's keyboard", About::UnpausedGuest, type, nullptr},
    Command{"mouse", "x y button?", "move a guest's mouse, and click", About::UnpausedGuest, mouse, nullptr},
    Command{"screenshot", "file", "write what a guest's screen shows into a PNG file", About::RunningGuest,
            screenshot, nullptr},
    Command{"new-generation", "", "tell a guest that it is a copy, by a new generation ID", About::UnpausedGuest,
            new_generation, nullptr},
    Command{"net-link", "card state", "plug in (up) or pull (down) the cable of a network card", About::RunningGuest,
            net_link, nullptr},
    Command{"memory", "size", "change how much memory a guest has", About::UnpausedGuest, memory, nullptr},
};

Guest* guest_of(Run const& run, std::optional<std::string> const& name)
{
    if (!name) return run.guests.size() == 1 ? run.guests.front().get() : nullptr;
    auto const found = std::ranges::find(run.guests, *name, [](auto const& guest) { return guest->options().name; });
    if (found == run.guests.end()) throw UserError{"there is no guest '" + printable(*name) + "'"};
    return found->get();
}

void check_runs(Guest const* guest)
{
    if (!guest) throw UserError{"there are several guests: name one"};
    if (guest->state() == Guest::State::Running) return;
    throw UserError{guest->options().designation() +
                    (guest->state() == Guest::State::Ended ? " has ended" : " has not started yet")};
}

void check_unpaused(Guest const& guest)
{
    if (guest.pause_state() != Guest::Pause::No)
        throw UserError{guest.options().designation() + " is paused: resume it first"};
}

} // namespace

std::span<Command const> commands()
{
    return table;
}

Command const* find_command(std::string_view name)
{
    auto const found = std::ranges::find(table, name, &Command::name);
    return found == table.end() ? nullptr : found;
}

void execute(Run const& run, Request request, Reply const& reply)
try {
    auto const* const command = find_command(request.command);
    if (!command) throw UserError{"there is no command '" + printable(request.command) + "'"};
    Call call{run, guest_of(run, request.guest), request.arguments, reply};
    if (command->about == About::Run && !request.guest) call.guest = nullptr;
    if (command->about != About::Run) check_runs(call.guest);
    if (command->about == About::UnpausedGuest) check_unpaused(*call.guest);
    command->execute(call);
} catch (std::exception const& error) {
    reply.fail(error.what());
}

} // namespace vmm::control
