#include "vmm/cli/standard_streams.hpp"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace vmm {

void reserve_standard_streams()
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) continue;
        // The lowest free number is `fd`. Reading from the first, or writing to the others, gives EBADF as before.
        (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

void settle_signals()
{
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN); // RLIMIT_FSIZE
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

} // namespace vmm
