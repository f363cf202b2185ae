/// What is to be called without a lock, although it is found out with one.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace devices::vmbus {

/// Calls what it was given when it ends: declared before a lock, that is when the lock is gone.
class DeferredCalls {
  public:
    DeferredCalls() = default;
    DeferredCalls(DeferredCalls const&) = delete;
    DeferredCalls& operator=(DeferredCalls const&) = delete;
    ~DeferredCalls()
    {
        for (auto const& call : calls_)
            call();
    }

    void add(std::function<void()> call) { calls_.push_back(std::move(call)); }

  private:
    std::vector<std::function<void()>> calls_;
};

} // namespace devices::vmbus
