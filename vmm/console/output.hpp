/// The guest's console output on its way to a terminal, a pipe or a file.
#pragma once

#include "vmm/console/descriptor.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace vmm {

/// Collects bytes and writes many at a time: at the end of a line, when enough are there, or shortly after the first.
/// The thread that completes a line writes it itself where that does not block; the io_context does the rest.
///
/// When the reader falls behind, the buffer grows to its capacity; then write() waits, so that a slow reader loses
/// nothing. When nothing moves for `patience`, the reader is taken for dead: output is dropped, and counted, until it
/// reads again.
class ConsoleOutput {
  public:
    struct Limits {
        std::size_t flush_at = 4096;                 ///< bytes
        std::size_t capacity = std::size_t{1} << 20; ///< bytes
        std::chrono::milliseconds delay{5};          ///< the longest that a part of a line waits for the rest
        std::chrono::milliseconds patience{5000};
    };

    /// Called once, on the io_context, when nobody can receive output any more. The message is one line for the user.
    using Lost = std::function<void(std::string const& message)>;

    /// The io_context must have stopped for good when this object ends.
    ConsoleOutput(boost::asio::io_context& io, ConsoleDescriptor descriptor, Lost lost, Limits const& limits);
    ConsoleOutput(boost::asio::io_context& io, ConsoleDescriptor descriptor, Lost lost)
        : ConsoleOutput{io, std::move(descriptor), std::move(lost), Limits{}}
    {}
    ConsoleOutput(ConsoleOutput const&) = delete;
    ConsoleOutput& operator=(ConsoleOutput const&) = delete;
    ~ConsoleOutput(); ///< flushes, like finish()

    /// From any thread. Waits only for a reader that has fallen behind by the capacity, and at most for `patience`.
    void write(std::span<std::byte const> bytes);

    /// For the io_context's thread: never waits. All or nothing.
    void notice(std::string_view text);

    /// Ends the waits of write(), now and later. From any thread.
    void stop_waiting();

    /// Writes what is left; gives up when nothing moves for `patience`. After the last write().
    void finish();

    /// What Lost was called with, or would have been had the io_context still run; empty when all is well.
    [[nodiscard]] std::string failure() const;

    /// Bytes that were dropped so far.
    [[nodiscard]] std::uint64_t dropped() const;

  private:
    using Lock = std::unique_lock<std::mutex>;

    [[nodiscard]] std::size_t pending() const { return buffer_.size() - head_; }
    [[nodiscard]] bool has_room(std::size_t bytes) const { return pending() + bytes <= limits_.capacity; }
    [[nodiscard]] bool wait_for_room(Lock& lock, std::size_t bytes);
    [[nodiscard]] bool wait_until_writable(Lock& lock, std::chrono::steady_clock::time_point deadline,
                                           int interrupting_fd);

    [[nodiscard]] bool broken() const { return !failure_.empty(); }
    void append(std::span<std::byte const> bytes);
    void flush_or_arm(bool now);
    void drain();
    void fail(int error);
    void await_writable();
    void arm_timer();

    Limits limits_;
    Lost lost_;
    ConsoleDescriptor descriptor_;
    UniqueFd stop_event_; // readable once nobody shall wait

    mutable std::mutex mutex_;
    std::vector<std::byte> buffer_;
    std::size_t head_ = 0; // what lies before it is written
    std::uint64_t dropped_ = 0;
    std::uint64_t dropped_in_stall_ = 0;
    bool stalled_ = false;       // patience is at its end, until the reader takes something
    std::string failure_{};      // not empty: nobody will ever take anything
    bool stopped_ = false;       // nobody shall wait
    bool awaiting_room_ = false; // the io_context drains when the descriptor is writable
    bool timer_armed_ = false;

    boost::asio::strand<boost::asio::io_context::executor_type> strand_;
    boost::asio::steady_timer timer_;
    boost::asio::posix::stream_descriptor watched_; // open only when the descriptor can be awaited
};

} // namespace vmm
