#include "vmm/kvm/deadline_timer.hpp"

#include "vmm/kvm/kick_signal.hpp"

#include <cerrno>
#include <system_error>
#include <unistd.h>

namespace vmm {

DeadlineTimer::DeadlineTimer()
{
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = kick_signal::number();
    event._sigev_un._tid = ::gettid();
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot make a timer"};
}

DeadlineTimer::~DeadlineTimer()
{
    ::timer_delete(timer_);
}

void DeadlineTimer::arm(std::chrono::nanoseconds delay)
{
    constexpr long nanoseconds_per_second = 1'000'000'000;
    itimerspec when{};
    when.it_value.tv_sec = delay.count() / nanoseconds_per_second;
    when.it_value.tv_nsec = delay.count() % nanoseconds_per_second;
    ::timer_settime(timer_, 0, &when, nullptr);
}

void DeadlineTimer::disarm()
{
    itimerspec const never{};
    ::timer_settime(timer_, 0, &never, nullptr);
}

} // namespace vmm
