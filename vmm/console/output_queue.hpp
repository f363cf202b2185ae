/// Console output of one guest or of several on its way to one descriptor.
#pragma once

#include "vmm/console/descriptor.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace vmm {

/// Writes in the order in which bytes come in, many at a time: at the end of a line, when enough are there, or
/// shortly after the first. The thread that completes a line writes it itself where that does not block; the
/// io_context does the rest.
///
/// Each guest has an account of its own with room for so many unwritten bytes. When that is full, write() waits, so
/// that a slow reader loses nothing; nobody waits for room that another has taken up. When nothing moves for
/// `patience`, the reader is taken for dead: output is dropped, and counted, until it reads again.
class OutputQueue {
  public:
    struct Limits {
        std::size_t flush_at = 4096;                 ///< bytes
        std::size_t capacity = std::size_t{1} << 20; ///< bytes, of each account
        std::chrono::milliseconds delay{5};          ///< the longest that a part of a line waits for the rest
        std::chrono::milliseconds patience{5000};
    };

    /// Called once, on the io_context, when nobody can receive output any more. The message is one line for the user.
    using Lost = std::function<void(std::string const& message)>;

    /// One guest's part.
    class Account {
      public:
        explicit Account(Lost lost);
        Account(Account const&) = delete;
        Account& operator=(Account const&) = delete;

      private:
        friend class OutputQueue;

        Lost lost_;
        UniqueFd stop_event_; // readable while it shall not wait
        // Guarded by the queue's mutex:
        std::size_t pending_ = 0;
        std::uint64_t dropped_ = 0;
        bool stopped_ = false;
    };

    /// The io_context must have stopped for good when this object ends.
    OutputQueue(boost::asio::io_context& io, ConsoleDescriptor descriptor, Limits const& limits);
    OutputQueue(OutputQueue const&) = delete;
    OutputQueue& operator=(OutputQueue const&) = delete;

    void add(Account& account);
    /// What it has not got rid of stays and goes its way.
    void remove(Account& account);

    /// From any thread. Waits only for a reader that has fallen behind by the capacity, and at most for `patience`.
    void write(Account& account, std::span<std::byte const> bytes);
    /// Never waits. All or nothing.
    void offer(Account& account, std::span<std::byte const> bytes);
    /// Ends the waits of this account, now and later, or allows them again. From any thread.
    void allow_waiting(Account& account, bool allowed);

    /// From now on a reader that closes its end of a pipe or a socket is noticed at once, also while there is nothing
    /// to write. The io_context does not run out of work then.
    void watch_reader();

    /// Writes what is left; gives up when nothing moves for `patience`. After the last write().
    void finish();
    /// Ends finish(), now or later: what is left is dropped. From any thread.
    void abandon();

    /// What Lost was called with, or would have been had the io_context still run; empty when all is well.
    [[nodiscard]] std::string failure() const;
    /// Bytes of this account that were dropped so far.
    [[nodiscard]] std::uint64_t dropped(Account const& account) const;

  private:
    using Lock = std::unique_lock<std::mutex>;
    struct Segment {
        Account* account; // nullptr: it is gone
        std::size_t bytes;
    };

    [[nodiscard]] std::size_t pending() const { return buffer_.size() - head_; }
    [[nodiscard]] bool has_room(Account const& account, std::size_t bytes) const
    {
        return account.pending_ + bytes <= limits_.capacity;
    }
    [[nodiscard]] bool wait_for_room(Lock& lock, Account const& account, std::size_t bytes);
    [[nodiscard]] bool wait_until_writable(Lock& lock, std::chrono::steady_clock::time_point deadline,
                                           int interrupting_fd);

    [[nodiscard]] bool broken() const { return !failure_.empty(); }
    void append(Account& account, std::span<std::byte const> bytes);
    void took(std::size_t bytes);
    void forget();
    void flush_or_arm(bool now);
    void drain();
    void fail(int error);
    void await_writable();
    void await_hang_up();
    void arm_timer();

    Limits limits_;
    ConsoleDescriptor descriptor_;
    UniqueFd abandon_event_; // readable once finish() shall not wait

    mutable std::mutex mutex_;
    std::vector<Account*> accounts_;
    std::vector<std::byte> buffer_;
    std::size_t head_ = 0;           // what lies before it is written
    std::deque<Segment> segments_{}; // whose the rest is, in order
    std::uint64_t dropped_in_stall_ = 0;
    bool stalled_ = false;       // patience is at its end, until the reader takes something
    std::string failure_{};      // not empty: nobody will ever take anything
    bool awaiting_room_ = false; // the io_context drains when the descriptor is writable
    bool timer_armed_ = false;
    std::atomic<bool> watching_reader_{false};

    boost::asio::strand<boost::asio::io_context::executor_type> strand_;
    boost::asio::steady_timer timer_;
    boost::asio::posix::stream_descriptor watched_; // open only when the descriptor can be awaited
};

} // namespace vmm
