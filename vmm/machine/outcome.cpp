#include "vmm/machine/outcome.hpp"

namespace vmm {

std::string describe(Outcome const& outcome)
{
    switch (outcome.kind) {
    case Outcome::Kind::PowerOff: return "powered off";
    case Outcome::Kind::Reset: return "rebooted";
    case Outcome::Kind::Quit: return "left by the user";
    case Outcome::Kind::DebugExit: return "debug exit, status " + std::to_string(outcome.status);
    case Outcome::Kind::Died:
    case Outcome::Kind::TripleFault: return "died";
    case Outcome::Kind::HostError: return "given up";
    case Outcome::Kind::Forced: return "forced by signal " + std::to_string(outcome.status);
    }
    return {};
}

int exit_status(Outcome const& outcome)
{
    constexpr int host_error = 2;
    constexpr int by_signal = 128;

    switch (outcome.kind) {
    case Outcome::Kind::PowerOff:
    case Outcome::Kind::Reset:
    case Outcome::Kind::Quit: return 0;
    case Outcome::Kind::DebugExit: return outcome.status;
    case Outcome::Kind::Died:
    case Outcome::Kind::TripleFault: return guest_died;
    case Outcome::Kind::HostError: return host_error;
    case Outcome::Kind::Forced: return by_signal + outcome.status;
    }
    return host_error;
}

} // namespace vmm
