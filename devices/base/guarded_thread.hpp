/// Threads that an exception does not end the process from. Every thread of the process is started here, or runs its
/// body by `contain`.
#pragma once

#include "devices/base/thread_role.hpp"

#include <csignal>
#include <exception>
#include <thread>
#include <utility>

namespace devices {

/// Runs `body`. When it throws, `failed` is called with what the exception says, on the same thread: its owner ends
/// or degrades what the body belonged to, and says so. The text is not copied, so that an owner hears also of an
/// exhausted memory. What `failed` throws itself is dropped. True when the body came to its end.
template <typename Body, typename Failed>
bool contain(Body&& body, Failed&& failed) noexcept
{
    auto const report = [&failed](char const* what) noexcept {
        try {
            failed(what);
        } catch (...) { // nothing is left to tell it to
        }
    };
    try {
        std::forward<Body>(body)();
        return true;
    } catch (std::exception const& error) {
        report(error.what());
    } catch (...) {
        report("unknown exception");
    }
    return false;
}

/// Blocks all signals but SIGSYS for the calling thread, and so for threads that it starts, until the end of its
/// scope.
class SignalsBlocked {
  public:
    SignalsBlocked()
    {
        sigset_t all;
        sigfillset(&all);
        sigdelset(&all, SIGSYS); // comes of a system call of the thread's own
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    SignalsBlocked(SignalsBlocked const&) = delete;
    SignalsBlocked& operator=(SignalsBlocked const&) = delete;
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

/// Starts a thread of this role that runs `body` by `contain`. No signal of the process lands on it: those are for
/// threads that expect them. Throws std::system_error when the host has no thread left.
template <typename Body, typename Failed>
[[nodiscard]] std::thread guarded_thread(ThreadRole role, Body body, Failed failed)
{
    SignalsBlocked const blocked;
    return std::thread{[role, body = std::move(body), failed = std::move(failed)]() mutable {
        begin_thread(role);
        contain(body, failed);
    }};
}

} // namespace devices
