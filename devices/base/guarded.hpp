/// A value that is reached by its lock alone.
#pragma once

#include "devices/base/lock_rank.hpp"

#include <mutex>
#include <optional>
#include <type_traits>
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

    /// What `body`, called with the value, returns; nothing, and no call, while another thread has the lock.
    template <typename Body>
    [[nodiscard]] std::optional<std::invoke_result_t<Body&, Value&>> try_with(Body body)
    {
        std::unique_lock const held{mutex_, std::try_to_lock};
        if (!held) return std::nullopt;
        return body(value_);
    }

  private:
    mutable Mutex<Rank> mutex_;
    Value value_;
};

} // namespace devices
