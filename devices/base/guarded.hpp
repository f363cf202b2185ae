/// A value that is reached by its lock alone.
#pragma once

#include "devices/base/lock_rank.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace devices {

/// A value seen with its lock held, for as long as this lives. One that a function takes by reference is the proof
/// that its caller holds the lock.
template <typename Value, typename Lock>
class Access {
  public:
    Access(Lock& lock, Value& value) : lock_{lock}, value_{value} { lock_.lock(); }
    Access(Access const&) = delete;
    Access& operator=(Access const&) = delete;
    ~Access() { lock_.unlock(); }

    [[nodiscard]] Value& operator*() const { return value_; }
    [[nodiscard]] Value* operator->() const { return &value_; }

    /// What `body` returns, called without the lock. Others may have changed the value then.
    template <typename Body>
    decltype(auto) unlocked(Body&& body)
    {
        struct Pause {
            explicit Pause(Lock& held) : lock{held} { lock.unlock(); }
            Pause(Pause const&) = delete;
            Pause& operator=(Pause const&) = delete;
            ~Pause() { lock.lock(); }

            Lock& lock;
        };
        Pause const pause{lock_};
        return std::forward<Body>(body)();
    }

    /// Waits, without the lock, until `event` is notified and `done` is true, which is called with the lock.
    template <typename Done>
    void wait(std::condition_variable_any& event, Done done)
    {
        event.wait(lock_, std::move(done));
    }
    /// The same, but not after the deadline. Returns what `done` says then.
    template <typename Deadline, typename Done>
    [[nodiscard]] bool wait_until(std::condition_variable_any& event, Deadline deadline, Done done)
    {
        return event.wait_until(lock_, deadline, std::move(done));
    }

  private:
    Lock& lock_;
    Value& value_;
};

/// `Lock` is one of hv/base/sync.hpp: a Mutex, see Guarded, or a MutexOfRank, which is made with a rank of its own.
template <typename Value, typename Lock>
class GuardedBy {
  public:
    /// What `lock` returns.
    using Held = Access<Value, Lock>;

    template <typename... Arguments>
    requires std::is_default_constructible_v<Lock>
    explicit GuardedBy(Arguments&&... arguments) : value_{std::forward<Arguments>(arguments)...} {}
    template <typename... Arguments>
    requires std::is_constructible_v<Lock, LockRank>
    explicit GuardedBy(LockRank rank, Arguments&&... arguments)
        : lock_{rank}, value_{std::forward<Arguments>(arguments)...}
    {}

    [[nodiscard]] Held lock() { return {lock_, value_}; }
    [[nodiscard]] Access<Value const, Lock> lock() const { return {lock_, value_}; }

    /// What `body`, called with the value, returns; nothing, and no call, while another thread has the lock.
    template <typename Body>
    [[nodiscard]] std::optional<std::invoke_result_t<Body&, Value&>> try_with(Body body)
    {
        std::unique_lock const held{lock_, std::try_to_lock};
        if (!held) return std::nullopt;
        return body(value_);
    }

  private:
    mutable Lock lock_;
    Value value_;
};

template <typename Value, LockRank Rank>
using Guarded = GuardedBy<Value, Mutex<Rank>>;

/// A value that the lock of another one guards, which a class has further up: reached by showing that one, which is
/// itself reached by its lock alone.
template <typename Value, typename Proof>
class GuardedWith {
  public:
    template <typename... Arguments>
    explicit GuardedWith(Arguments&&... arguments) : value_{std::forward<Arguments>(arguments)...}
    {}

    [[nodiscard]] Value& with(Proof const&) { return value_; }
    [[nodiscard]] Value const& with(Proof const&) const { return value_; }

  private:
    Value value_;
};

} // namespace devices
