/// The host's end of a guest's serial port: the terminal, a pipe, a file, or nothing.
#pragma once

#include "vmm/cli/run_options.hpp"
#include "vmm/console/input.hpp"
#include "vmm/console/output.hpp"
#include "vmm/console/terminal.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
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
        std::function<void(std::string const&)> output_lost; ///< once; one line for the user. The run should end
    };

    /// Opens the target; a terminal goes to raw mode. Throws UserError. A file is created, or emptied.
    /// The io_context must have stopped for good when this object ends, which flushes the output and gives the
    /// terminal back.
    Console(boost::asio::io_context& io, SerialTarget const& target, Callbacks callbacks);
    Console(Console const&) = delete;
    Console& operator=(Console const&) = delete;

    /// Begins to read input, if there is any.
    void start();

    /// Output of the guest, from any thread. Cheap; see ConsoleOutput for when it waits.
    void write(std::span<std::byte const> bytes);

    /// The guest may take more input now. From any thread, without a lock that `receive` needs.
    void resume();

    /// Whether somebody may be typing: then input may be dropped that the guest does not take. Input from a pipe or a
    /// file waits for the guest instead.
    [[nodiscard]] bool is_interactive() const { return terminal_.is_terminal(); }

    /// The run is to end: no write() waits any longer.
    void stop();

    /// Writes out what is left. After the last write(). Returns what went wrong with the output, one line, or
    /// nothing.
    [[nodiscard]] std::string finish();

  private:
    void on_command(ConsoleCommand command);

    Callbacks callbacks_;
    Terminal terminal_; // outlives the input; given back after the output's last byte
    std::optional<ConsoleOutput> output_;
    std::optional<ConsoleInput> input_;
};

} // namespace vmm
