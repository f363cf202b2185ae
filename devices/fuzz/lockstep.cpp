#include "devices/fuzz/lockstep.hpp"

#include <atomic>
#include <csignal>
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

namespace devices::fuzz {

namespace {

Lockstep* the_one = nullptr;
std::atomic<std::int64_t> clock_ns = 1'000'000'000;

} // namespace

struct ThreadEnd {
    /// Faults are reported, as those of other threads are: the engine keeps what it ran then.
    ThreadEnd()
    {
        sigset_t faults;
        sigemptyset(&faults);
        for (auto const fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
            sigaddset(&faults, fault);
        pthread_sigmask(SIG_UNBLOCK, &faults, nullptr);
    }
    ThreadEnd(ThreadEnd const&) = delete;
    ThreadEnd& operator=(ThreadEnd const&) = delete;
    ~ThreadEnd()
    {
        if (the_one) the_one->ended();
    }
};

std::chrono::milliseconds now()
{
    return std::chrono::milliseconds{clock_ns.load() / 1'000'000};
}

void pass(std::chrono::nanoseconds time)
{
    clock_ns += time.count();
}

Lockstep::Lockstep()
{
    the_one = this;
}

Lockstep::~Lockstep()
{
    the_one = nullptr;
}

Lockstep* Lockstep::current()
{
    return the_one;
}

void Lockstep::mark_thread()
{
    thread_local ThreadEnd const end;
}

bool Lockstep::rest()
{
    std::unique_lock lock{mutex_};
    resting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return may_run_ || released_; });
    resting_ = false;
    may_run_ = false;
    return !released_;
}

void Lockstep::settle()
{
    std::unique_lock lock{mutex_};
    turns_ = 0;
    may_run_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return (resting_ && !may_run_) || ended_; });
}

void Lockstep::release()
{
    std::lock_guard const lock{mutex_};
    released_ = true;
    changed_.notify_all();
}

void Lockstep::ended()
{
    std::lock_guard const lock{mutex_};
    ended_ = true;
    changed_.notify_all();
}

} // namespace devices::fuzz

/// Stands for the C library's.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept
{
    if (clock != CLOCK_MONOTONIC) return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
    auto const now = devices::fuzz::clock_ns.load();
    time->tv_sec = now / 1'000'000'000;
    time->tv_nsec = now % 1'000'000'000;
    return 0;
}
