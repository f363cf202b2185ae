#include "vmm/base/log.hpp"
#include "vmm/cli/commands.hpp"
#include "vmm/host/host_memory.hpp"
#include "vmm/host/open_file_limit.hpp"
#include "vmm/host/kvm_host.hpp"
#include "vmm/session/session.hpp"
#include "vmm/trace/trace_log.hpp"

#include <cstdio>
#include <string>

namespace vmm {

int run(RunOptions const& options)
{
    raise_open_file_limit();
    open_log(options.log_level, options.log_file);
    check_host_memory(options.guests);
    auto const host = KvmHost::open();
    auto const say = [](std::string const& text) { std::fprintf(stderr, "porthole: %s\n", text.c_str()); };
    return Session{host, options, open_trace(options.trace), say}.run();
}

} // namespace vmm
