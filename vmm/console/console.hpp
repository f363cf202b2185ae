/// The host's end of a guest's serial port: the terminal, a pipe, a pseudo terminal, a file, or nothing.
#pragma once

#include "vmm/console/input.hpp"
#include "vmm/console/line_prefix.hpp"
#include "vmm/console/output.hpp"
#include "vmm/console/pseudo_terminal.hpp"
#include "vmm/console/standard_output.hpp"
#include "vmm/console/terminal.hpp"
#include "vmm/options/run_options.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vmm {

class Console {
  public:
    /// All are called on the io_context.
    struct Callbacks {
        ConsoleInput::Receive receive;                       ///< input for the guest; returns how many bytes it took
        std::function<void()> quit;                          ///< Ctrl-A x
        std::function<void(std::string const&)> output_lost; ///< once; one line for the user. The guest should end
    };

    /// Opens the target; a terminal goes to raw mode. Throws UserError. A file is created, or emptied. `name` is the
    /// guest's, for lines.
    /// The io_context must have stopped for good when this object ends, which flushes the output and gives the
    /// terminal back.
    Console(boost::asio::io_context& io, StandardOutput& standard_output, SerialTarget const& target,
            std::string_view name, Callbacks callbacks);
    Console(Console const&) = delete;
    Console& operator=(Console const&) = delete;

    /// Begins to read input, if there is any, and to look after who reads the output.
    void start();

    /// Output of the guest, from any thread. Cheap; see ConsoleOutput for when it waits.
    void write(std::span<std::byte const> bytes);

    /// The guest may take more input now. From any thread, without a lock that `receive` needs.
    void resume();

    /// Whether somebody may be typing: then input may be dropped that the guest does not take. Input from a pipe or a
    /// file waits for the guest instead.
    [[nodiscard]] bool is_interactive() const { return terminal_.is_terminal(); }

    /// The guest is to end: no write() waits any longer.
    void stop();
    /// It starts anew: they may wait again.
    void resume_waiting();
    /// It has ended: what it has printed without a line's end is a line. After stop().
    void end_line();

    /// The pseudo terminal's path; empty when there is none.
    [[nodiscard]] std::string pty_path() const { return pty_ ? pty_->path() : std::string{}; }

    /// Writes out what is left. After the last write(). Returns what went wrong with the output, one line, or
    /// nothing.
    [[nodiscard]] std::string finish();
    /// Ends finish(), which a reader that is slow and not dead can make long. From any thread.
    void abandon();

  private:
    void on_command(ConsoleCommand command);

    Callbacks callbacks_;
    Terminal terminal_; // outlives the input; given back after the output's last byte
    std::optional<PseudoTerminal> pty_;
    std::mutex lines_lock_; // the next, and the order of its lines
    std::optional<LinePrefix> lines_;
    std::optional<ConsoleOutput> output_;
    std::optional<ConsoleInput> input_;
};

} // namespace vmm
