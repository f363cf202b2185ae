/// A value that is reached by its lock alone.
#pragma once

#include "devices/base/lock_rank.hpp"

#include <mutex>
#include <utility>

namespace devices {

template <typename Value, LockRank Rank>
class Guarded {
  public:
    template <typename... Arguments>
    explicit Guarded(Arguments&&... arguments) : value_{std::forward<Arguments>(arguments)...}
    {}

    /// The value, with the lock held while this lives.
    template <typename Seen>
    class Access {
      public:
        Access(Mutex<Rank>& mutex, Seen& value) : lock_{mutex}, value_{value} {}
        Access(Access const&) = delete;
        Access& operator=(Access const&) = delete;
        ~Access() = default;

        [[nodiscard]] Seen& operator*() const { return value_; }
        [[nodiscard]] Seen* operator->() const { return &value_; }

      private:
        std::lock_guard<Mutex<Rank>> const lock_;
        Seen& value_;
    };

    [[nodiscard]] Access<Value> lock() { return {mutex_, value_}; }
    [[nodiscard]] Access<Value const> lock() const { return {mutex_, value_}; }

  private:
    mutable Mutex<Rank> mutex_;
    Value value_;
};

} // namespace devices
