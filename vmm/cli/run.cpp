#include "vmm/cli/commands.hpp"
#include "vmm/host/host_memory.hpp"
#include "vmm/host/kvm_host.hpp"
#include "vmm/log.hpp"

namespace vmm {

int run(RunOptions const& options)
{
    open_log(options.log_level, options.log_file);
    check_host_memory(options.guest.memory);
    auto const host = KvmHost::open();
    return host.create_vm() ? 0 : 2;
}

} // namespace vmm
