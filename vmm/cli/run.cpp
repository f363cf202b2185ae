#include "vmm/cli/commands.hpp"
#include "vmm/host/host_memory.hpp"
#include "vmm/host/kvm_host.hpp"
#include "vmm/log.hpp"
#include "vmm/machine/session.hpp"
#include "vmm/trace/trace_log.hpp"

#include <cstdio>

namespace vmm {

namespace {

constexpr int guest_died = 1;
constexpr int host_error = 2;
constexpr int by_signal = 128;

int exit_status(Outcome const& outcome)
{
    switch (outcome.kind) {
    case Outcome::Kind::PowerOff:
    case Outcome::Kind::Reset:
    case Outcome::Kind::Quit: return 0;
    case Outcome::Kind::DebugExit: return outcome.status;
    case Outcome::Kind::Died: return guest_died;
    case Outcome::Kind::HostError: return host_error;
    case Outcome::Kind::Forced: return by_signal + outcome.status;
    }
    return host_error;
}

} // namespace

int run(RunOptions const& options)
{
    open_log(options.log_level, options.log_file);
    check_host_memory(options.guest.memory);
    auto const host = KvmHost::open();
    auto const outcome = Session{host, options.guest, open_trace(options.trace)}.run();
    if (outcome.kind == Outcome::Kind::Died) std::fprintf(stderr, "porthole: %s", outcome.text.c_str());
    if (outcome.kind == Outcome::Kind::HostError) std::fprintf(stderr, "porthole: %s\n", outcome.text.c_str());
    return exit_status(outcome);
}

} // namespace vmm
