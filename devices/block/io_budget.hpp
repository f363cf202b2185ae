/// The host memory that one guest's I/O may take beside the guest's RAM, on all its disks and channels together.
#pragma once

#include "devices/base/guarded.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <vector>

namespace hv {
class Inspector;
}

namespace devices::block {

/// Callable from any thread, with any lock held that `room` of an account does not take.
class IoBudget {
    class Books;

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

        struct Entry {
            std::uint64_t used = 0;
            unsigned calls = 0; ///< of `room`, under way
        };
        Entry entry_; ///< in the budget's books: theirs alone
        friend Books;
    };

    explicit IoBudget(std::uint64_t limit = default_limit) : books_{limit, crowded_} {}
    IoBudget(IoBudget const&) = delete;
    IoBudget& operator=(IoBudget const&) = delete;

    /// Whether somebody waits for room for a command: others keep nothing then that they do not use.
    [[nodiscard]] bool crowded() const { return crowded_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t used() const;
    [[nodiscard]] std::uint64_t most_used() const;
    void inspect(hv::Inspector& inspector) const;

  private:
    using Accounts = std::vector<Account*>;

    struct Callees {
        Account* first = nullptr; ///< of those that wait for room for a command
        Accounts others{};

        [[nodiscard]] bool nobody() const { return !first && others.empty(); }
        template <typename Call>
        void for_each(Call const& call) const
        {
            if (first) call(*first);
            for (auto* const account : others)
                call(*account);
        }
    };

    /// Who has how much, and who waits.
    class Books {
      public:
        Books(std::uint64_t limit, std::atomic<bool>& crowded) : limit_{limit}, crowded_{crowded} {}

        [[nodiscard]] bool take(Account& account, std::uint64_t bytes);
        [[nodiscard]] bool take_fair_share(Account& account, std::uint64_t bytes);
        void add(Account& account, std::uint64_t bytes);
        void give_back(Account& account, std::uint64_t bytes);
        /// True when the account was the first that waited for room for a command.
        [[nodiscard]] bool forget(Account& account);

        [[nodiscard]] bool waits_for_command() const { return !commands_.empty(); }

        /// Those who are to look again. Their accounts stay until `end_calls`.
        [[nodiscard]] Callees begin_calls(bool copies);
        static void end_calls(Callees const& callees);
        static void call(Account const& account) { account.room_(); }
        [[nodiscard]] static bool is_called(Account const& account) { return account.entry_.calls != 0; }

        [[nodiscard]] static std::uint64_t used(Account const& account) { return account.entry_.used; }
        [[nodiscard]] std::uint64_t used() const { return used_; }
        [[nodiscard]] std::uint64_t most_used() const { return most_used_; }
        void inspect(hv::Inspector& inspector) const;

      private:
        [[nodiscard]] bool refuse(Accounts& waiting, Account& account);
        void note_crowd() { crowded_.store(!commands_.empty(), std::memory_order_relaxed); }

        std::uint64_t const limit_;
        std::atomic<bool>& crowded_;
        std::uint64_t used_ = 0;
        std::uint64_t most_used_ = 0;
        std::uint64_t refusals_ = 0;
        Accounts commands_; ///< that wait for room, in order: the first is told, and the others wait behind it
        Accounts copies_;   ///< likewise; all are told
    };
    using GuardedBooks = Guarded<Books, LockRank::Leaf>;

    /// What waits is to look again.
    void tell(GuardedBooks::Held& books, bool copies);

    std::atomic<bool> crowded_{false};
    GuardedBooks books_;
    std::condition_variable_any no_calls_;
};

} // namespace devices::block
