#include "vmm/console/console.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/host/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace vmm {

namespace {

constexpr int no_descriptor = -1;

using Kind = SerialTarget::Kind;

UniqueFd created(std::string const& path)
{
    return open_output("the guest's serial output", path, Existing::Emptied);
}

/// A guest never waits for somebody to open its pseudo terminal: there may be nobody.
constexpr OutputQueue::Limits pty_limits{.patience = std::chrono::milliseconds{0}};

} // namespace

Console::Console(boost::asio::io_context& io, StandardOutput& standard_output, SerialTarget const& target,
                 std::string_view name, Callbacks callbacks)
    : callbacks_{std::move(callbacks)}, terminal_{target.kind == Kind::Stdio ? STDIN_FILENO : no_descriptor}
{
    switch (target.kind) {
    case Kind::None: break;
    case Kind::File:
        output_.emplace(io, ConsoleDescriptor::copy_of(created(target.path).get()), callbacks_.output_lost);
        break;
    case Kind::Lines:
        output_.emplace(standard_output.queue(), callbacks_.output_lost);
        lines_.emplace(name.empty() ? "guest" : name);
        break;
    case Kind::Pty:
        pty_.emplace();
        output_.emplace(io, ConsoleDescriptor::copy_of(pty_->master()), callbacks_.output_lost, pty_limits);
        input_.emplace(io, ConsoleDescriptor::copy_of(pty_->master()), terminal_, callbacks_.receive, nullptr);
        break;
    case Kind::Stdio:
        output_.emplace(standard_output.queue(), callbacks_.output_lost);
        if (!is_open_for(STDIN_FILENO, O_RDONLY)) break;
        input_.emplace(io, ConsoleDescriptor::copy_of(STDIN_FILENO), terminal_, callbacks_.receive,
                       [this](ConsoleCommand command) { on_command(command); });
        break;
    }
}

void Console::start()
{
    if (input_) input_->start();
    if (output_) output_->watch_reader();
}

void Console::write(std::span<std::byte const> bytes)
{
    if (!lines_) {
        if (output_) output_->write(bytes);
        return;
    }
    std::lock_guard const guard{lines_lock_};
    std::vector<std::byte> complete;
    lines_->feed(bytes, complete);
    if (!complete.empty()) output_->write(complete);
}

void Console::resume()
{
    if (input_) input_->resume();
}

void Console::stop()
{
    if (output_) output_->stop_waiting();
}

void Console::resume_waiting()
{
    if (output_) output_->resume_waiting();
}

void Console::end_line()
{
    if (!lines_) return;
    std::lock_guard const guard{lines_lock_};
    std::vector<std::byte> rest;
    lines_->finish(rest);
    output_->write(rest);
}

std::string Console::finish()
{
    if (!output_) return {};
    output_->finish();
    return output_->failure();
}

void Console::abandon()
{
    if (output_) output_->abandon();
}

void Console::on_command(ConsoleCommand command)
{
    switch (command) {
    case ConsoleCommand::Quit: callbacks_.quit(); break;
    case ConsoleCommand::Help: output_->notice(EscapeFilter::help); break;
    }
}

} // namespace vmm
