/// An io_uring and the thread that takes its completions: for what the kernel does not answer at once.
#pragma once

#include "devices/block/backend.hpp"

#include <liburing.h>
#include <mutex>
#include <thread>

namespace devices::block {

class IoRing {
  public:
    /// Who began an operation.
    class Waiter {
      public:
        Waiter() = default;
        Waiter(Waiter const&) = delete;
        Waiter& operator=(Waiter const&) = delete;
        virtual ~Waiter() = default;
        /// `result` is what the system call returns, or -errno. On the ring's thread; may begin the next operation.
        virtual void ended(Request& request, int result) = 0;
    };

    /// Throws OpenError when this host gives no io_uring.
    IoRing();
    IoRing(IoRing const&) = delete;
    IoRing& operator=(IoRing const&) = delete;
    /// There must be nothing under way. Not on the ring's thread.
    ~IoRing();

    /// Lets `prepare` fill in an operation for the request, and begins it.
    template <typename Prepare>
    void begin(Waiter& waiter, Request& request, Prepare const& prepare)
    {
        request.progress.backend = &waiter;
        auto const lock = std::lock_guard{mutex_};
        auto* const entry = free_entry();
        prepare(entry);
        io_uring_sqe_set_data(entry, &request);
        submit();
    }

  private:
    [[nodiscard]] io_uring_sqe* free_entry();
    void submit();
    void take_completions();

    std::mutex mutex_; ///< of the submission queue; the completion queue is the thread's
    io_uring ring_{};
    std::thread thread_;
};

} // namespace devices::block
