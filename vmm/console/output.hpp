/// A guest's console output on its way to a terminal, a pipe or a file.
#pragma once

#include "vmm/console/output_queue.hpp"

#include <memory>
#include <string_view>

namespace vmm {

/// One guest's end of an OutputQueue, which is its own or shared with other guests.
class ConsoleOutput {
  public:
    using Limits = OutputQueue::Limits;
    using Lost = OutputQueue::Lost;

    /// The io_context must have stopped for good when this object ends.
    ConsoleOutput(std::shared_ptr<OutputQueue> queue, Lost lost);
    ConsoleOutput(boost::asio::io_context& io, ConsoleDescriptor descriptor, Lost lost, Limits const& limits = {});
    ConsoleOutput(ConsoleOutput const&) = delete;
    ConsoleOutput& operator=(ConsoleOutput const&) = delete;
    ~ConsoleOutput(); ///< flushes, like finish()

    /// From any thread. See OutputQueue for when it waits.
    void write(std::span<std::byte const> bytes) { queue_->write(account_, bytes); }

    /// Never waits. All or nothing.
    void notice(std::string_view text) { queue_->offer(account_, std::as_bytes(std::span{text})); }

    /// Ends the waits of write(), now and later. From any thread.
    void stop_waiting() { queue_->allow_waiting(account_, false); }
    /// write() may wait again.
    void resume_waiting() { queue_->allow_waiting(account_, true); }

    void watch_reader() { queue_->watch_reader(); }

    /// Writes what is left; gives up when nothing moves for `patience`. After the last write() of all who share it.
    void finish() { queue_->finish(); }
    void abandon() { queue_->abandon(); }

    /// What Lost was called with, or would have been had the io_context still run; empty when all is well.
    [[nodiscard]] std::string failure() const { return queue_->failure(); }

    /// Bytes that were dropped so far.
    [[nodiscard]] std::uint64_t dropped() const { return queue_->dropped(account_); }

  private:
    std::shared_ptr<OutputQueue> queue_;
    OutputQueue::Account account_;
};

} // namespace vmm
