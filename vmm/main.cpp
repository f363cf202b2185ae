#include "devices/base/os_error.hpp"
#include "hv/cpuid/privileges.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/command_line.hpp"
#include "vmm/cli/commands.hpp"
#include "vmm/cli/standard_streams.hpp"
#include "vmm/helper/spawner.hpp"
#include "vmm/helper/user_network_process.hpp"
#include "vmm/jail/seccomp_filter.hpp"
#include "vmm/log/standard_error.hpp"

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <cstdio>
#include <malloc.h>
#include <pthread.h>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

constexpr int host_error = 2;

std::vector<std::string_view> names_of(std::span<hv::RightName const> table)
{
    std::vector<std::string_view> names(table.size());
    std::ranges::transform(table, names.begin(), &hv::RightName::name);
    return names;
}

struct Dispatch {
    int operator()(vmm::RunOptions const& options) const { return vmm::run(options); }
    int operator()(vmm::CtlRequest const& request) const { return vmm::ctl(request); }
    int operator()(vmm::DoctorRequest) const { return vmm::doctor(); }
    int operator()(vmm::PrintRequest const& request) const
    {
        if (std::fputs(request.text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
            throw vmm::UserError{"cannot write to standard output: give it somewhere to go"};
        return 0;
    }
};

/// The C library would give threads heaps of their own, each of which keeps the most that it has ever had: what disks
/// may take for their I/O would be taken several times over.
void share_one_heap()
{
#ifdef M_ARENA_MAX
    ::mallopt(M_ARENA_MAX, 1);
#endif
}

/// Of threads: less than a huge page, with which a host that gives them to any memory would fill each stack, and more
/// than name look-ups and TLS take. A sanitizer's frames are larger.
void limit_stacks()
{
    if constexpr (vmm::jail::sanitized) return;
    constexpr std::size_t stack_bytes = 1 << 20;
    pthread_attr_t attributes{};
    if (::pthread_attr_init(&attributes) != 0) return;
    if (::pthread_attr_setstacksize(&attributes, stack_bytes) == 0) ::pthread_setattr_default_np(&attributes);
    ::pthread_attr_destroy(&attributes);
}

int carry_out(int argc, char** argv)
{
    try {
        share_one_heap();
        limit_stacks();
        vmm::reserve_standard_streams();
        vmm::settle_signals();
        auto const privileges = names_of(hv::privilege_names());
        auto const features = names_of(hv::feature_names());
        auto const command =
            vmm::parse_command_line({argv + 1, argv + (argc > 0 ? argc : 1)}, {privileges, features});
        return std::visit(Dispatch{}, command);
    } catch (boost::system::system_error const& e) { // in Boost 1.74 no std::system_error
        vmm::tell_user(
            devices::os_error(std::system_error{e.code().value(), std::generic_category(), "cannot begin"}));
        return host_error;
    } catch (std::exception const& e) {
        vmm::tell_user(devices::os_error(e));
        return host_error;
    }
}

/// What was said has been written when the process ends, if anybody takes it.
int finish(int status)
{
    try {
        auto& said = vmm::standard_error();
        said.finish();
        return said.failed() ? std::max(status, host_error) : status;
    } catch (std::exception const&) { // then nothing has been said by it
        return status;
    }
}

} // namespace

int main(int argc, char** argv)
{
    std::span const arguments{argv, static_cast<std::size_t>(argc)};
    if (argc > 1 && std::string_view{argv[1]} == vmm::helper::user_network_command)
        return vmm::helper::run_user_network(arguments.subspan(2));
    return finish(carry_out(argc, argv));
}
