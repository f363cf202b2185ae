#include "vmm/machine/event_loop.hpp"

#include "devices/base/guarded_thread.hpp"

#include <boost/asio/post.hpp>

#include <future>
#include <utility>

namespace vmm {

void EventLoop::start(std::function<void(std::string const&)> failed)
{
    thread_ = std::thread{[this, failed = std::move(failed)] {
        devices::begin_thread(devices::ThreadRole::Events);
        while (!io_.stopped())
            devices::contain([this] { io_.run(); }, failed);
    }};
}

void EventLoop::stop()
{
    io_.stop();
    if (thread_.joinable()) thread_.join();
}

void EventLoop::run_and_wait(std::function<void()> const& action)
{
    if (!thread_.joinable()) return action();
    std::packaged_task<void()> task{action};
    auto done = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    done.get();
}

} // namespace vmm
