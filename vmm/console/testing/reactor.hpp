/// An event loop for the console's tests.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <thread>

namespace vmm::testing {

/// An io_context on a thread of its own, as in a run.
class Reactor {
  public:
    Reactor() : thread_{[this] { io.run(); }} {}
    Reactor(Reactor const&) = delete;
    Reactor& operator=(Reactor const&) = delete;
    ~Reactor() { stop(); }

    void stop()
    {
        io.stop();
        if (thread_.joinable()) thread_.join();
    }

    boost::asio::io_context io;

  private:
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io.get_executor()};
    std::thread thread_;
};

} // namespace vmm::testing
