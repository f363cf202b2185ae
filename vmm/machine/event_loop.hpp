/// The Boost.Asio event loop on a thread of its own.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <string>
#include <thread>

namespace vmm {

class EventLoop {
  public:
    EventLoop() = default;
    EventLoop(EventLoop const&) = delete;
    EventLoop& operator=(EventLoop const&) = delete;
    ~EventLoop() { stop(); }

    [[nodiscard]] boost::asio::io_context& io() { return io_; }

    /// `failed` is called on the loop's thread with what an exception said that a handler has thrown; the loop goes
    /// on.
    void start(std::function<void(std::string const&)> failed);
    /// Ends the loop for good, and waits for it.
    void stop();

    /// Runs `action` on the loop and returns when it has; at once while the loop does not run. Not from the loop.
    void run_and_wait(std::function<void()> const& action);

  private:
    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
    std::thread thread_;
};

} // namespace vmm
