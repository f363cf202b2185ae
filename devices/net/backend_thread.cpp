#include "devices/net/backend_thread.hpp"

#include <cerrno>
#include <cstdint>
#include <exception>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>

namespace devices::net {

BackendThread::BackendThread(ThreadRole role) : role_{role}, event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}
{
    if (!event_) throw std::system_error{errno, std::generic_category(), "eventfd"};
}

void BackendThread::end()
{
    {
        auto const work = work_.lock();
        ending_.store(true, std::memory_order_release);
    }
    rest_over_.notify_all();
    wake();
    if (thread_.joinable()) thread_.join();
}

void BackendThread::set_running(bool running)
{
    hv::StillBusy rests; // let go of without the lock
    auto const work = work_.lock();
    work->running = running;
    rests = std::move(work->busy);
}

void BackendThread::quiesce(hv::StillBusy busy)
{
    {
        auto const work = work_.lock();
        rest_wanted_.store(true, std::memory_order_release);
        if (work->running) work->busy = std::move(busy);
    }
    wake();
}

void BackendThread::resume()
{
    hv::StillBusy forgotten;
    {
        auto const work = work_.lock();
        rest_wanted_.store(false, std::memory_order_release);
        forgotten = std::move(work->busy);
    }
    rest_over_.notify_all();
}

std::chrono::nanoseconds BackendThread::rest_if_asked()
{
    using Clock = std::chrono::steady_clock;
    if (!rest_wanted_.load(std::memory_order_acquire)) return {};
    auto const start = Clock::now();
    auto work = work_.lock();
    auto const may_go = [this] { return !rest_wanted_.load() || ending(); };
    while (!may_go()) {
        auto rests = std::move(work->busy);
        work.unlocked([&] { rests.reset(); });
        work.wait(rest_over_, [&] { return may_go() || work->busy; });
    }
    return Clock::now() - start;
}

void BackendThread::run(std::function<void()> task)
{
    {
        auto const work = work_.lock();
        work->tasks.push_back(std::move(task));
    }
    wake();
}

void BackendThread::run_tasks()
{
    std::vector<std::function<void()>> tasks;
    {
        auto const work = work_.lock();
        tasks.swap(work->tasks);
    }
    std::exception_ptr failure;
    for (auto const& task : tasks) {
        try {
            task();
        } catch (...) { // the others are of other channels
            failure = std::current_exception();
        }
    }
    if (failure) std::rethrow_exception(failure);
}

void BackendThread::run_tasks_until_end()
{
    while (!ending()) {
        rest_if_asked();
        contain([this] { run_tasks(); }, [](char const*) {});
        pollfd wanted{.fd = event(), .events = POLLIN, .revents = 0};
        if (::poll(&wanted, 1, -1) > 0) clear();
    }
}

void BackendThread::wake() const
{
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const written = ::write(event_.get(), &one, sizeof one);
}

void BackendThread::clear() const
{
    std::uint64_t count = 0;
    [[maybe_unused]] auto const taken = ::read(event_.get(), &count, sizeof count);
}

} // namespace devices::net
