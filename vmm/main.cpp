#include "vmm/cli/command_line.hpp"
#include "vmm/cli/commands.hpp"
#include "vmm/cli/standard_streams.hpp"
#include "vmm/user_error.hpp"

#include <array>
#include <cstdio>

namespace {

constexpr int host_error = 2;

constexpr std::array<std::string_view, 5> privileges{"create-port", "connect-port", "access-partition-id",
                                                     "post-messages", "signal-events"};
constexpr std::array<std::string_view, 13> hv_features{
    "vp-runtime", "time-ref-count", "synic",         "stimer", "stimer-direct", "reference-tsc", "reset",
    "guest-idle", "frequency",      "tsc-invariant", "crash",  "vp-assist",     "xmm-input"};

struct Dispatch {
    int operator()(vmm::RunOptions const& options) const { return vmm::run(options); }
    int operator()(vmm::DoctorRequest) const { return vmm::doctor(); }
    int operator()(vmm::PrintRequest const& request) const
    {
        if (std::fputs(request.text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
            throw vmm::UserError{"cannot write to standard output: give it somewhere to go"};
        return 0;
    }
};

} // namespace

int main(int argc, char** argv)
{
    try {
        vmm::reserve_standard_streams();
        auto const command =
            vmm::parse_command_line({argv + 1, argv + (argc > 0 ? argc : 1)}, {privileges, hv_features});
        return std::visit(Dispatch{}, command);
    } catch (std::exception const& e) {
        std::fprintf(stderr, "porthole: %s\n", e.what());
        return host_error;
    }
}
