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
        std::lock_guard const lock{mutex_};
        ending_.store(true, std::memory_order_release);
    }
    rest_over_.notify_all();
    wake();
    if (thread_.joinable()) thread_.join();
}

void BackendThread::set_running(bool running)
{
    hv::StillBusy rests; // let go of without the lock
    std::lock_guard const lock{mutex_};
    running_ = running;
    rests = std::move(busy_);
}

void BackendThread::quiesce(hv::StillBusy busy)
{
    {
        std::lock_guard const lock{mutex_};
        rest_wanted_.store(true, std::memory_order_release);
        if (running_) busy_ = std::move(busy);
    }
    wake();
}

void BackendThread::resume()
{
    hv::StillBusy forgotten;
    {
        std::lock_guard const lock{mutex_};
        rest_wanted_.store(false, std::memory_order_release);
        forgotten = std::move(busy_);
    }
    rest_over_.notify_all();
}

std::chrono::nanoseconds BackendThread::rest_if_asked()
{
    using Clock = std::chrono::steady_clock;
    if (!rest_wanted_.load(std::memory_order_acquire)) return {};
    auto const start = Clock::now();
    std::unique_lock lock{mutex_};
    auto const may_go = [this] { return !rest_wanted_.load() || ending(); };
    while (!may_go()) {
        auto rests = std::move(busy_);
        lock.unlock();
        rests.reset();
        lock.lock();
        rest_over_.wait(lock, [&] { return may_go() || busy_; });
    }
    return Clock::now() - start;
}

void BackendThread::run(std::function<void()> task)
{
    {
        std::lock_guard const lock{mutex_};
        tasks_.push_back(std::move(task));
    }
    wake();
}

void BackendThread::run_tasks()
{
    std::vector<std::function<void()>> tasks;
    {
        std::lock_guard const lock{mutex_};
        tasks.swap(tasks_);
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
