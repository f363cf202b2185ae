#include "vmm/console/console.hpp"

#include "vmm/user_error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vmm {

namespace {

constexpr int no_descriptor = -1;

bool is_open_for(int fd, int access)
{
    auto const flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && ((flags & O_ACCMODE) == access || (flags & O_ACCMODE) == O_RDWR);
}

ConsoleDescriptor output_of(SerialTarget const& target)
{
    if (target.kind == SerialTarget::Kind::Stdio) {
        if (!is_open_for(STDOUT_FILENO, O_WRONLY))
            throw UserError{"standard output is closed: redirect it, or use --serial file:PATH or --serial none"};
        return ConsoleDescriptor::copy_of(STDOUT_FILENO);
    }

    constexpr ::mode_t readable_by_all = 0644;
    UniqueFd const file{
        ::open(target.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, readable_by_all)};
    if (!file) {
        throw UserError{"--serial: cannot write '" + target.path + "': " + std::strerror(errno) +
                        "; name a file that can be created"};
    }
    return ConsoleDescriptor::copy_of(file.get());
}

} // namespace

Console::Console(boost::asio::io_context& io, SerialTarget const& target, Callbacks callbacks)
    : callbacks_{std::move(callbacks)},
      terminal_{target.kind == SerialTarget::Kind::Stdio ? STDIN_FILENO : no_descriptor}
{
    if (target.kind == SerialTarget::Kind::None) return;
    output_.emplace(io, output_of(target), callbacks_.output_lost);

    if (target.kind != SerialTarget::Kind::Stdio || !is_open_for(STDIN_FILENO, O_RDONLY)) return;
    input_.emplace(io, ConsoleDescriptor::copy_of(STDIN_FILENO), terminal_, callbacks_.receive,
                   [this](ConsoleCommand command) { on_command(command); });
}

void Console::start()
{
    if (input_) input_->start();
}

void Console::write(std::span<std::byte const> bytes)
{
    if (output_) output_->write(bytes);
}

void Console::resume()
{
    if (input_) input_->resume();
}

void Console::stop()
{
    if (output_) output_->stop_waiting();
}

std::string Console::finish()
{
    if (!output_) return {};
    output_->finish();
    return output_->failure();
}

void Console::on_command(ConsoleCommand command)
{
    switch (command) {
    case ConsoleCommand::Quit: callbacks_.quit(); break;
    case ConsoleCommand::Help: output_->notice(EscapeFilter::help); break;
    }
}

} // namespace vmm
