#include "vmm/cli/commands.hpp"
#include "vmm/console/terminal.hpp"
#include "vmm/helper/file_opener.hpp"
#include "vmm/helper/helpers.hpp"
#include "vmm/helper/image_servers.hpp"
#include "vmm/helper/tpm_servers.hpp"
#include "vmm/host/host_memory.hpp"
#include "vmm/host/open_file_limit.hpp"
#include "vmm/jail/added_disks.hpp"
#include "vmm/jail/jail.hpp"
#include "vmm/jail/run_files.hpp"
#include "vmm/jail/violation.hpp"
#include "vmm/kvm/kvm_hypervisor.hpp"
#include "vmm/log/open_log.hpp"
#include "vmm/log/standard_error.hpp"
#include "vmm/log/text_file.hpp"
#include "vmm/session/session.hpp"
#include "vmm/trace/trace_log.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace vmm {

int run(RunOptions const& options)
{
    constexpr int output_lost = 2;

    raise_open_file_limit();
    jail::set_last_act(&Terminal::restore);
    jail::Jail jail{options};
    std::optional<helper::FileOpener> files;
    if ((options.jail.seccomp || options.jail.landlock) && helper::opens_files_confined(options))
        files.emplace(jail::named_descriptors(options), [&] {
            auto policy = helper::file_policy_of(options);
            if (options.jail.landlock) jail::file_rules_for(options).restrict_self();
            return policy;
        });
    std::optional<helper::ImageServers> images;
    if (jail::has_served_images(options)) images.emplace(jail::named_descriptors(options), options);
    helper::TpmServers tpms{options.guests};
    helper::Helpers helpers{helper::policy_of(options.guests)}; // while there is one thread, and nothing is open
    (void)standard_error();                                     // while there are descriptors
    static auto const log = open_log(options.log_level, options.log_file); // until the last who logs has ended
    if (!jail.missing().empty()) spdlog::warn("{}", jail.missing());
    check_host_memory(options.guests);
    KvmHypervisor const hypervisor;
    auto const trace = open_trace(options.trace);
    auto const user_network = [&helpers](std::size_t guest) -> StartUserNetwork {
        return [&helpers, guest](std::size_t card, auto warn) {
            return helpers.user_network(guest, card, std::move(warn));
        };
    };
    auto const tpm = [&tpms](std::size_t guest) { return tpms.take(guest); };
    auto status = Session{hypervisor,
                          options,
                          {.close = [&] { jail.close(); },
                           .permit = [&](DiskOptions const& disk) { jail::permit(options, disk); }},
                          trace.get(),
                          {.user_network = user_network, .tpm = tpm},
                          tell_user}
                      .run();

    if (trace && !trace->finish()) status = std::max(status, output_lost);
    if (log && !finish_text_file(*log, "the log")) status = std::max(status, output_lost);
    return status;
}

} // namespace vmm
