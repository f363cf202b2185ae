#include "vmm/kvm/kick_signal.hpp"

#include <linux/kvm.h>

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
    sigemptyset(&action.sa_mask);
    sigaction(number(), &action, nullptr);
}

void adopt_thread(kvm_run* run)
{
    own_run = run;
    sigset_t mask;
    sigfillset(&mask);
    if (run) sigdelset(&mask, number());
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void send(pthread_t thread)
{
    pthread_kill(thread, number());
}

} // namespace vmm::kick_signal
