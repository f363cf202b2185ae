/// The host memory that one guest's I/O may take beside the guest's RAM, on all its disks and channels together.
#pragma once

#include "devices/base/lock_rank.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace hv {
class Inspector;
}

namespace devices::block {

/// Callable from any thread, with any lock held that `room` of an account does not take.
class IoBudget {
  public:
    /// 32 commands of 1 MiB on their way to a server.
    static constexpr std::uint64_t default_limit = 32ULL << 20;

    /// Hears that there may be room for what was refused, perhaps once too often. On the thread of whoever gives
    /// memory back, which may hold locks: it only has something else look again. It does not throw.
    using Room = std::function<void()>;

    /// Somebody who takes memory, and gives it back until its end.
    class Account {
      public:
        Account(IoBudget& budget, Room room) : budget_{budget}, room_{std::move(room)} {}
        Account(Account const&) = delete;
        Account& operator=(Account const&) = delete;
        ~Account();

        /// For a command. False when there is no room now, or others have waited longer: `room` will be called.
        [[nodiscard]] bool take(std::uint64_t bytes);
        /// For a copy of data. No account takes more of the budget than it leaves free for all others: a server that
        /// stands still does not hold up other disks. False as above.
        [[nodiscard]] bool take_fair_share(std::uint64_t bytes);
        /// Beyond the limit, if need be: for the one thing that has to go on so that others will.
        void take_always(std::uint64_t bytes);
        void give_back(std::uint64_t bytes);
        /// What was refused is not wanted any more: `room` is not called after this.
        void leave();

      private:
        IoBudget& budget_;
        Room const room_;
        std::uint64_t used_ = 0;
        unsigned calls_ = 0; ///< of `room`, under way
        friend class IoBudget;
    };

    explicit IoBudget(std::uint64_t limit = default_limit) : limit_{limit} {}
    IoBudget(IoBudget const&) = delete;
    IoBudget& operator=(IoBudget const&) = delete;

    /// Whether somebody waits for room for a command: others keep nothing then that they do not use.
    [[nodiscard]] bool crowded() const { return crowded_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t used() const;
    [[nodiscard]] std::uint64_t most_used() const;
    void inspect(hv::Inspector& inspector) const;

  private:
    using Lock = Mutex<LockRank::Leaf>;
    using Accounts = std::vector<Account*>;

    [[nodiscard]] bool refuse(Accounts& waiting, Account& account);
    void add(Account& account, std::uint64_t bytes);
    /// What waits is to look again. With the lock, which it lets go of.
    void tell(std::unique_lock<Lock> lock, bool copies);

    std::uint64_t const limit_;
    mutable Lock mutex_;
    std::condition_variable_any no_calls_;
    std::uint64_t used_ = 0;
    std::uint64_t most_used_ = 0;
    std::uint64_t refusals_ = 0;
    std::atomic<bool> crowded_{false};
    Accounts commands_; ///< that wait for room, in order: the first is told, and the others wait behind it
    Accounts copies_;   ///< likewise; all are told
};

} // namespace devices::block
