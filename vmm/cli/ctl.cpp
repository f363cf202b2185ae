#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/commands.hpp"
#include "vmm/cli/png_file.hpp"
#include "vmm/control/base64.hpp"
#include "vmm/control/command.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/control/readable.hpp"
#include "vmm/host/unix_listener.hpp"
#include "vmm/log/standard_error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <string>
#include <sys/socket.h>

namespace vmm {

namespace {

using nlohmann::json;

UniqueFd connect_to(std::string const& path)
{
    auto fd = connect_unix(path);
    if (fd) return fd;
    auto const why = errno == ECONNREFUSED ? std::string{"nobody listens there any more"} : devices::os_error(errno);
    throw UserError{"cannot connect to '" + path + "': " + why + "; name what a run's --control names"};
}

[[noreturn]] void no_answer()
{
    throw UserError{"there is no answer: the run that was asked has ended, or hangs"};
}

void send_all(UniqueFd const& fd, std::string_view text)
{
    while (!text.empty()) {
        auto const sent = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) no_answer();
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

/// Longer than a run takes to say that it has no answer yet.
std::string receive_line(UniqueFd const& fd)
{
    constexpr int patience_ms = 90'000;
    constexpr std::size_t longest = std::size_t{64} << 20;
    std::string line;
    std::array<char, 65536> some{};
    while (!line.ends_with('\n')) {
        pollfd wait{fd.get(), POLLIN, 0};
        auto const ready = ::poll(&wait, 1, patience_ms);
        if (ready < 0 && errno == EINTR) continue;
        auto const size = ready > 0 ? ::recv(fd.get(), some.data(), some.size(), 0) : 0;
        if (size <= 0 || line.size() > longest) no_answer();
        line.append(some.data(), static_cast<std::size_t>(size));
    }
    return line;
}

/// The tree that inspect tells has some eight levels.
constexpr int deepest_answer = 64;

void print(std::string const& text)
{
    if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
        throw UserError{"cannot write to standard output: give it somewhere to go"};
}

constexpr std::string_view screenshot = "screenshot";

void save_picture(json const& answer, std::string const& file)
try {
    auto const number = [&](char const* name) { return answer.value(name, std::uint32_t{0}); };
    auto const rgb = control::from_base64(answer.value("rgb", std::string{}));
    write_png(file, number("width"), number("height"), rgb ? *rgb : std::vector<std::byte>{});
} catch (json::exception const&) {
    no_answer();
}

} // namespace

int ctl(CtlRequest request)
{
    std::string file; // is ours, and not the run's
    if (request.request.command == screenshot) file = request.request.arguments.take("file");
    auto const line = to_line(request.request);
    auto const fd = connect_to(request.path);
    send_all(fd, line);
    auto const answer = control::parse_json(receive_line(fd), deepest_answer, "the answer");
    if (answer.is_object() && answer.contains("error") && answer["error"].is_string()) {
        auto text = answer["error"].get<std::string>();
        std::ranges::replace_if(
            text, [](unsigned char c) { return c < ' ' || c == 0x7F; }, '?'); // it may have come from a guest
        tell_user(text);
        return 1;
    }
    if (!answer.is_object() || !answer.contains("return")) no_answer();

    auto const& value = answer["return"];
    auto const* const command = control::find_command(request.request.command);
    if (request.request.command == screenshot)
        save_picture(value, file);
    else if (request.json)
        print(control::to_text(value) + "\n");
    else
        print(command && command->print ? command->print(value) : control::to_readable(value));
    return 0;
}

} // namespace vmm
