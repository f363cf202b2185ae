#include "vmm/kvm/kick_signal.hpp"

#include <linux/kvm.h>

#include <initializer_list>
#include <unistd.h>

namespace vmm::kick_signal {

namespace {

thread_local kvm_run* volatile own_run = nullptr;

void mark(int)
{
    if (auto* const run = own_run) __atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
}

} // namespace

int number()
{
    return SIGRTMIN;
}

void install()
{
    struct sigaction action {};
    action.sa_handler = mark;
    action.sa_flags = SA_RESTART; // KVM_RUN returns all the same; a write to a log goes on
    sigemptyset(&action.sa_mask);
    sigaction(number(), &action, nullptr);
}

void adopt_thread(kvm_run* run)
{
    own_run = run;
    sigset_t mask;
    sigfillset(&mask);
    for (auto const crash : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS})
        sigdelset(&mask, crash);
    if (run) sigdelset(&mask, number());
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void send(int thread)
{
    if (thread != 0) (void)::tgkill(::getpid(), thread, number());
}

} // namespace vmm::kick_signal
