/// What the user types, or a pipe or a file holds, on its way to the guest's serial port.
#pragma once

#include "vmm/console/descriptor.hpp"
#include "vmm/console/escape.hpp"
#include "vmm/console/terminal.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace vmm {

/// Reads, takes out the escape sequences, and offers the rest to the guest. What the guest does not take waits for
/// resume(); meanwhile a pipe or a file is not read on. A terminal is, so that Ctrl-A x works with a guest that is
/// deaf: keys that it leaves lie too long are dropped.
class ConsoleInput {
  public:
    /// Takes bytes from the front and returns how many. Called on the io_context.
    using Receive = std::function<std::size_t(std::span<std::byte const>)>;

    /// Called on the io_context.
    using Command = std::function<void(ConsoleCommand)>;

    /// `terminal` is that of the descriptor; it may be none. It must outlive this object. The io_context must have
    /// stopped for good when this object ends.
    ///
    /// Without a `command` nothing is taken out: all goes to the guest.
    ConsoleInput(boost::asio::io_context& io, ConsoleDescriptor descriptor, Terminal& terminal, Receive receive,
                 Command command);
    ConsoleInput(ConsoleInput const&) = delete;
    ConsoleInput& operator=(ConsoleInput const&) = delete;

    /// Begins to read. Once.
    void start();

    /// The guest may take more now. From any thread, and cheap when nothing waits.
    void resume();

  private:
    void deliver();
    void read_on();
    void await_input();
    void read();
    void watch_for_continue();
    void await_foreground();
    void take_up();

    static constexpr std::size_t typed_ahead_limit = 4096;
    static constexpr std::chrono::milliseconds look_again{250}; ///< whether the foreground is ours

    ConsoleDescriptor descriptor_;
    Terminal& terminal_;
    Receive receive_;
    Command command_;
    EscapeFilter filter_;

    // The strand's:
    std::array<std::byte, 4096> chunk_{};
    std::vector<std::byte> pending_; // the guest has not taken it yet
    bool reading_ = false;           // an operation is under way
    bool ended_ = false;
    bool awaiting_foreground_ = false;

    std::atomic<bool> guest_is_full_{false};

    boost::asio::strand<boost::asio::io_context::executor_type> strand_;
    boost::asio::posix::stream_descriptor watched_; // open only when the descriptor can be awaited
    boost::asio::signal_set continued_;
    boost::asio::steady_timer foreground_;
};

} // namespace vmm
