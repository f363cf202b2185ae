/// The host memory that one guest's I/O may take beside the guest's RAM, on all its disks and channels together.
#pragma once

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

    /// Hears that there may be room for what was refused. No lock is held. It may come once too often, and, because
    /// another thread may just be about to call it, after the account's end: it owns what it uses.
    using Room = std::function<void()>;

    /// Somebody who takes memory. Has given it back before it ends.
    class Account {
      public:
        Account(IoBudget& budget, Room room) : budget_{budget}, room_{std::move(room)} {}
        Account(Account const&) = delete;
        Account& operator=(Account const&) = delete;
        ~Account() { leave(); }

        /// For a command. False when there is no room now, or others have waited longer: `room` will be called.
        [[nodiscard]] bool take(std::uint64_t bytes);
        /// For a copy of data. No account takes more of the budget than it leaves free for all others: a server that
        /// stands still does not hold up other disks. False as above.
        [[nodiscard]] bool take_fair_share(std::uint64_t bytes);
        /// Beyond the limit, if need be: for the one thing that has to go on so that others will.
        void take_always(std::uint64_t bytes);
        void give_back(std::uint64_t bytes);
        /// What was refused is not wanted any more.
        void leave();

      private:
        IoBudget& budget_;
        Room const room_;
        std::uint64_t used_ = 0;
        friend class IoBudget;
    };

    explicit IoBudget(std::uint64_t limit = default_limit) : limit_{limit} {}
    IoBudget(IoBudget const&) = delete;
    IoBudget& operator=(IoBudget const&) = delete;

    [[nodiscard]] std::uint64_t used() const;
    [[nodiscard]] std::uint64_t most_used() const;
    void inspect(hv::Inspector& inspector) const;

  private:
    using Accounts = std::vector<Account*>;

    [[nodiscard]] bool refuse(Accounts& waiting, Account& account);
    void add(Account& account, std::uint64_t bytes);

    std::uint64_t const limit_;
    mutable std::mutex mutex_;
    std::uint64_t used_ = 0;
    std::uint64_t most_used_ = 0;
    std::uint64_t refusals_ = 0;
    Accounts commands_; ///< that wait for room, in order: the first is told, and the others wait behind it
    Accounts copies_;   ///< likewise; all are told
};

} // namespace devices::block
