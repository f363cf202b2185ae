/// The commands of the control socket: one table, one function for each. A new command is a row and a file in
/// commands/.
#pragma once

#include "hv/partition/registry.hpp"
#include "vmm/control/reply.hpp"
#include "vmm/control/request.hpp"
#include "vmm/machine/guest.hpp"

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

namespace vmm::control {

/// What commands find in a run.
struct Run {
    std::span<std::unique_ptr<Guest> const> guests;
    hv::PartitionRegistry& registry;
    std::function<void(DiskOptions const&)> const&
        permit; ///< a disk to be added; throws UserError when it may not be
};

/// One execution of a command, on the thread that owns the run: it may use the guest, and must not wait for it.
struct Call {
    Run const& run;
    Guest* guest; ///< whom it is about. Never null for a command of a running guest
    Arguments& arguments;
    Reply reply; ///< may be kept, for an answer that comes later
};

struct Command {
    enum class About {
        Run,           ///< all guests, or the one that is named
        RunningGuest,  ///< the one that is named, or the only one there is; it has started and not ended
        UnpausedGuest, ///< likewise, and it is not paused, nor about to be: what has to reach the guest itself
    };

    std::string_view name;
    /// Its arguments, in the order that they have as words of `porthole ctl`; "?" behind those that may be missing.
    std::string_view arguments;
    std::string_view help;
    About about;
    /// Answers, keeps the reply, or throws UserError.
    void (*execute)(Call& call);
    /// The answer for people to read, whole lines. nullptr: as an indented tree.
    std::string (*print)(nlohmann::json const& answer);
};

[[nodiscard]] std::span<Command const> commands();
/// nullptr when there is none of that name.
[[nodiscard]] Command const* find_command(std::string_view name);

/// Has a request executed; its answer comes in any case. On the thread that owns the run.
void execute(Run const& run, Request request, Reply const& reply);

} // namespace vmm::control
