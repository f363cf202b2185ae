/// A thread that makes virtual machines and their vCPUs, and ends them: the threads of a guest's vCPUs, which want
/// them, may not make the system calls that it takes.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace vmm {

class Builder {
  public:
    /// Throws std::system_error when the host has no thread left.
    Builder();
    ~Builder();
    Builder(Builder const&) = delete;
    Builder& operator=(Builder const&) = delete;

    /// Has the thread do it, one after the other, and waits. What `work` throws is thrown here. From any thread but
    /// its own.
    void run(std::function<void()> const& work);

  private:
    struct Request;

    void body();

    std::mutex lock_; // the next three
    std::condition_variable changed_;
    Request* first_ = nullptr;
    bool ends_ = false;
    std::thread thread_;
};

} // namespace vmm
