#include "vmm/helper/image_supervisor.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/helper/confined_program.hpp"
#include "vmm/helper/image_calls.hpp"
#include "vmm/helper/server_news.hpp"
#include "vmm/helper/watched_program.hpp"

#include <cerrno>
#include <chrono>
#include <exception>
#include <filesystem>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace vmm::helper {

namespace {

using devices::block::ImageRequest;

[[noreturn]] void fail(char const* what)
{
    throw std::system_error{errno, std::generic_category(), what};
}

/// A listening socket with one connection in its queue, and that connection's other end. Nobody else can connect:
/// the queue holds one, and what is in it when the listener is shut down stays.
struct Connected {
    UniqueFd listener;
    UniqueFd client;
};

Connected connect_to_nobody_else()
{
    constexpr int kind = SOCK_STREAM | SOCK_CLOEXEC;
    Connected out{UniqueFd{::socket(AF_UNIX, kind, 0)}, UniqueFd{::socket(AF_UNIX, kind | SOCK_NONBLOCK, 0)}};
    if (!out.listener || !out.client) fail("socket");
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    auto* const address = reinterpret_cast<sockaddr*>(&name);
    // A name of the kernel's choice, which is no file's (unix(7), autobind).
    if (::bind(out.listener.get(), address, sizeof name.sun_family) != 0) fail("bind");
    socklen_t size = sizeof name;
    if (::getsockname(out.listener.get(), address, &size) != 0) fail("getsockname");
    if (::listen(out.listener.get(), 0) != 0) fail("listen");
    if (::connect(out.client.get(), address, size) != 0) fail("connect");
    if (::shutdown(out.listener.get(), SHUT_RD) != 0) fail("shutdown");
    return out;
}

jail::Landlock rules_for(std::vector<ImageFile> const& files)
{
    jail::Landlock rules{{.tcp = true, .scopes = true}};
    for (auto const& file : files)
        rules.allow_disk(file.path, file.read_only);
    return rules;
}

class Supervisor {
  public:
    Supervisor(UniqueFd socket, ImageRequest const& request, ImageTools const& tools)
        : socket_{std::move(socket)}, request_{request}, tools_{tools}
    {}

    void run()
    {
        auto const files = inspect_image(request_, tools_);
        if (!serve(files)) return;
        if (program_.watch(socket_.get())) tell(why_it_ended());
    }

    void tell(std::string const& how) const { (void)send_end(socket_.get(), how); }

  private:
    using Became = WatchedProgram::Became;

    /// False when Porthole does not want it any more. Throws ImageRefused.
    [[nodiscard]] bool serve(std::vector<ImageFile> const& files)
    {
        using namespace std::chrono_literals;
        // Whoever has had it may be closing it: a guest that starts anew, a run that was killed.
        auto const deadline = std::chrono::steady_clock::now() + 3s;
        for (;;) {
            auto connected = start(files);
            auto const became = program_.await(connected.client.get(), socket_.get());
            if (became == Became::NotWanted) return false;
            if (became == Became::Ready) return send_connection(socket_.get(), connected.client.get());
            auto const why = why_it_ended();
            bool const in_use = program_.said().find(" lock") != std::string::npos;
            if (!in_use) throw ImageRefused{"cannot be served: qemu-nbd " + why};
            if (std::chrono::steady_clock::now() >= deadline) {
                throw ImageRefused{request_.read_only
                                       ? "is in use, and whoever uses it writes to it: end that, or use a copy"
                                       : "is in use by another Porthole or program: end that, use a copy, or have "
                                         "both add ',ro'"};
            }
            pollfd wanted{socket_.get(), POLLIN, 0};
            if (::poll(&wanted, 1, 100) > 0) return false;
        }
    }

    [[nodiscard]] Connected start(std::vector<ImageFile> const& files)
    {
        auto connected = connect_to_nobody_else();
        auto const& image = files.front().path;
        std::vector<std::string> arguments{"qemu-nbd", "--format",
                                           std::string{devices::block::name_of(request_.format)}, "--discard=unmap"};
        if (request_.read_only) arguments.emplace_back("--read-only");
        arguments.push_back(image);
        auto rules = rules_for(files);
        program_.start({.path = tools_.qemu_nbd,
                        .arguments = std::move(arguments),
                        .folder = std::filesystem::path{image}.parent_path().string(),
                        .listener = connected.listener.get(),
                        .calls = built_image_program()},
                       rules);
        return connected;
    }

    [[nodiscard]] std::string why_it_ended()
    {
        auto const how = program_.how_it_ended();
        auto const complaint = complaint_of(program_.said());
        return complaint.empty() ? how : how + ": " + complaint;
    }

    UniqueFd const socket_;
    ImageRequest const& request_;
    ImageTools const& tools_;
    WatchedProgram program_;
};

} // namespace

void supervise_image(UniqueFd socket, ImageRequest const& request, ImageTools const& tools)
{
    Supervisor supervisor{std::move(socket), request, tools};
    try {
        supervisor.run();
    } catch (ImageRefused const& refusal) {
        supervisor.tell(refusal.what());
    } catch (std::exception const& error) {
        supervisor.tell("cannot be served: " + devices::os_error(error));
    }
}

} // namespace vmm::helper
