#include "vmm/helper/helper_process.hpp"

#include "vmm/jail/privileges.hpp"

#include <linux/capability.h>

#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <vector>

namespace vmm::helper {

namespace {

/// In this process's places, so that no descriptor takes them.
void say_nothing()
{
    auto const null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; ++fd)
        ::dup2(null, fd);
}

} // namespace

void become_helper(char const* name, std::span<int const> kept)
{
    ::prctl(PR_SET_NAME, name);
    ::setsid();
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGCHLD, SIG_DFL);
    say_nothing();
    std::vector<int> stay(kept.begin(), kept.end());
    stay.insert(stay.end(), {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO});
    jail::close_inherited(stay);
    jail::forbid_new_privileges();
    jail::forbid_dumps();
    jail::drop_capabilities(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH);
}

} // namespace vmm::helper
