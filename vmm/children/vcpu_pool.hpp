/// Threads that wait to run vCPUs: a thread of a guest's, which may not begin another one, has these begin instead.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace vmm {

class VcpuPool {
  public:
    /// Throws std::system_error when the host has not so many threads left.
    explicit VcpuPool(unsigned threads);
    /// None of them is in use.
    ~VcpuPool();
    VcpuPool(VcpuPool const&) = delete;
    VcpuPool& operator=(VcpuPool const&) = delete;

    /// One of the threads, from when it was taken to its end. It is to be idle then.
    class Lease {
      public:
        Lease() = default;
        Lease(Lease&& other) noexcept : thread_{std::exchange(other.thread_, nullptr)} {}
        Lease& operator=(Lease&& other) noexcept
        {
            std::swap(thread_, other.thread_);
            return *this;
        }
        ~Lease();

        [[nodiscard]] explicit operator bool() const { return thread_ != nullptr; }
        /// Has it do this, once.
        void run(std::function<void()> work);
        /// Waits until it has done so.
        void wait();

      private:
        friend class VcpuPool;
        struct Thread;
        explicit Lease(Thread& thread) : thread_{&thread} {}

        Thread* thread_ = nullptr;
    };

    /// Nothing when all are in use. From any thread.
    [[nodiscard]] Lease take();

  private:
    void begin(unsigned threads);
    void end();

    std::vector<std::unique_ptr<Lease::Thread>> threads_;
};

} // namespace vmm
