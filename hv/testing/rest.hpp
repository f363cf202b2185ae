/// Whether parts that were asked to come to rest have done so.
#pragma once

#include "hv/base/quiesce.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace hv::testing {

class Rest {
  public:
    Rest()
    {
        busy_ = call_when_at_rest([this] {
            std::lock_guard const guard{lock_};
            reached_ = true;
            came_.notify_all();
        });
    }
    Rest(Rest const&) = delete;
    Rest& operator=(Rest const&) = delete;
    /// All parts have let go.
    ~Rest() { busy_.reset(); }

    /// For one part of several; the last gets `last`.
    [[nodiscard]] StillBusy busy() const { return busy_; }
    [[nodiscard]] StillBusy last() { return std::move(busy_); }

    [[nodiscard]] bool reached()
    {
        std::lock_guard const guard{lock_};
        return reached_;
    }
    void wait()
    {
        std::unique_lock guard{lock_};
        came_.wait(guard, [this] { return reached_; });
    }

  private:
    std::mutex lock_;
    std::condition_variable came_;
    bool reached_ = false;
    StillBusy busy_;
};

} // namespace hv::testing
