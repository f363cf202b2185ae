/// What is to be called without a lock, although it is found out with one.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace devices::vmbus {

/// Calls what it was given when it ends: declared before a lock, that is when the lock is gone.
class Afterwards {
  public:
    Afterwards() = default;
    Afterwards(Afterwards const&) = delete;
    Afterwards& operator=(Afterwards const&) = delete;
    ~Afterwards()
    {
        for (auto const& call : calls_)
            call();
    }

    void add(std::function<void()> call) { calls_.push_back(std::move(call)); }

  private:
    std::vector<std::function<void()>> calls_;
};

} // namespace devices::vmbus
