/// A thread of a backend.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace devices::block {

/// Starts a thread that no signal of the process lands on: those are for threads that expect them.
template <typename Body>
[[nodiscard]] std::thread quiet_thread(Body body)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread{std::move(body)};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
}

} // namespace devices::block
