#include "vmm/console/input.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <system_error>
#include <utility>

namespace vmm {

ConsoleInput::ConsoleInput(boost::asio::io_context& io, ConsoleDescriptor descriptor, Terminal& terminal,
                           Receive receive, Command command)
    : descriptor_{std::move(descriptor)},
      terminal_{terminal},
      receive_{std::move(receive)},
      command_{std::move(command)},
      strand_{io.get_executor()},
      watched_{strand_},
      continued_{strand_},
      foreground_{strand_}
{
    if (!descriptor_.is_pollable()) return;
    UniqueFd copy{::fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 3)};
    if (!copy) throw std::system_error{errno, std::generic_category(), "fcntl"};
    watched_.assign(copy.release());
}

void ConsoleInput::start()
{
    if (terminal_.is_terminal()) watch_for_continue();
    boost::asio::post(strand_, [this] { read_on(); });
}

void ConsoleInput::resume()
{
    if (guest_is_full_.exchange(false)) boost::asio::post(strand_, [this] { deliver(); });
}

void ConsoleInput::deliver()
{
    while (!pending_.empty()) {
        auto const taken = std::min(receive_(pending_), pending_.size());
        pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(taken));
        if (taken > 0) continue;

        // Say that we wait, then ask once more: room that came in between was not announced.
        if (guest_is_full_.exchange(true)) break;
    }
    if (pending_.empty()) guest_is_full_.store(false);
    read_on();
}

void ConsoleInput::read_on()
{
    if (reading_ || ended_) return;
    if (!terminal_.is_terminal() && !pending_.empty()) return;
    if (terminal_.is_terminal() && !terminal_.in_foreground()) return await_foreground();
    reading_ = true;
    await_input();
}

void ConsoleInput::await_input()
{
    if (!descriptor_.is_pollable()) {
        boost::asio::post(strand_, [this] { read(); });
        return;
    }
    watched_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                        [this](boost::system::error_code const& aborted) {
                            if (!aborted) read();
                        });
}

void ConsoleInput::read()
{
    reading_ = false;
    if (terminal_.is_terminal() && !terminal_.in_foreground()) return await_foreground();

    auto const count = ::read(descriptor_.get(), chunk_.data(), chunk_.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return read_on();
    if (count <= 0) {
        ended_ = true; // the guest goes on without input
        return;
    }

    std::vector<ConsoleCommand> commands;
    auto const waiting = pending_.size();
    auto const got = std::span{chunk_}.first(static_cast<std::size_t>(count));
    if (command_)
        filter_.feed(got, pending_, commands);
    else
        pending_.insert(pending_.end(), got.begin(), got.end());
    if (terminal_.is_terminal()) pending_.resize(std::min(pending_.size(), std::max(waiting, typed_ahead_limit)));
    for (auto const command : commands)
        command_(command);
    deliver();
}

void ConsoleInput::watch_for_continue()
{
    boost::system::error_code failed;
    continued_.add(SIGCONT, failed);
    if (failed) return;
    continued_.async_wait([this](boost::system::error_code const& aborted, int) {
        if (aborted) return;
        take_up();
        watch_for_continue();
    });
}

/// A shell that brings a job to the foreground sends SIGCONT only if it was stopped (bash, jobs.c, start_job()), and
/// nothing else tells.
void ConsoleInput::await_foreground()
{
    if (std::exchange(awaiting_foreground_, true)) return;
    foreground_.expires_after(look_again);
    foreground_.async_wait([this](boost::system::error_code const& aborted) {
        if (aborted) return;
        awaiting_foreground_ = false;
        take_up();
    });
}

/// In the foreground the terminal is ours; in the background we wait for it, also when a read is under way: that one
/// returns only for a key.
void ConsoleInput::take_up()
{
    if (!terminal_.in_foreground()) return await_foreground();
    terminal_.make_raw();
    read_on();
}

} // namespace vmm
