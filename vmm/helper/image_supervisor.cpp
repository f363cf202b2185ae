#include "vmm/helper/image_supervisor.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/helper/confined_program.hpp"
#include "vmm/helper/image_messages.hpp"
#include "vmm/helper/passing.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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
        watch();
    }

    void tell(std::string const& how) const { (void)send_end(socket_.get(), how); }

  private:
    enum class Became { Ready, Ended, NotWanted };

    /// False when Porthole does not want it any more. Throws ImageRefused.
    [[nodiscard]] bool serve(std::vector<ImageFile> const& files)
    {
        using namespace std::chrono_literals;
        // Whoever has had it may be closing it: a guest that starts anew, a run that was killed.
        auto const deadline = std::chrono::steady_clock::now() + 3s;
        for (;;) {
            auto connected = start(files);
            auto const became = await(connected.client.get());
            if (became == Became::NotWanted) return false;
            if (became == Became::Ready) return send_connection(socket_.get(), connected.client.get());
            auto const why = why_it_ended();
            bool const in_use = said_.find(" lock") != std::string::npos;
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
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) fail("pipe2");
        errors_ = UniqueFd{ends[0]};
        UniqueFd const errors{ends[1]};
        ::fcntl(errors.get(), F_SETFL, 0); // its end of them may wait
        said_.clear();
        auto const& image = files.front().path;
        std::vector<std::string> arguments{"qemu-nbd", "--format",
                                           std::string{devices::block::name_of(request_.format)}, "--discard=unmap"};
        if (request_.read_only) arguments.emplace_back("--read-only");
        arguments.push_back(image);
        auto rules = rules_for(files);
        process_ = start_confined({.path = tools_.qemu_nbd,
                                   .arguments = std::move(arguments),
                                   .folder = std::filesystem::path{image}.parent_path().string(),
                                   .error = errors.get(),
                                   .listener = connected.listener.get()},
                                  rules);
        return connected;
    }

    /// Until it greets its client, ends, or is not wanted any more.
    [[nodiscard]] Became await(int client)
    {
        for (;;) {
            std::array<pollfd, 4> polled{pollfd{client, POLLIN, 0},
                                         {process_->pidfd(), POLLIN, 0},
                                         {socket_.get(), POLLIN, 0},
                                         {errors_.get(), POLLIN, 0}};
            if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) fail("poll");
            if (polled[3].revents != 0) drain_errors();
            if (polled[2].revents != 0) return Became::NotWanted;
            if (polled[1].revents != 0) return Became::Ended;
            if (polled[0].revents != 0) return (polled[0].revents & POLLIN) != 0 ? Became::Ready : await_end();
        }
    }

    [[nodiscard]] Became await_end()
    {
        (void)process_->how_it_ended();
        return Became::Ended;
    }

    void watch()
    {
        for (;;) {
            std::array<pollfd, 3> polled{
                pollfd{process_->pidfd(), POLLIN, 0}, {socket_.get(), POLLIN, 0}, {errors_.get(), POLLIN, 0}};
            if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
            if (polled[2].revents != 0) drain_errors();
            if (polled[0].revents != 0) return tell(why_it_ended());
            if (polled[1].revents != 0) return let_go();
        }
    }

    /// Its client has gone, or is going: it writes what it has, and ends. One that hangs ends with this process.
    void let_go()
    {
        constexpr int by_itself_ms = 10'000;
        constexpr int told_ms = 20'000;
        if (!process_->ended_within(by_itself_ms).empty()) return;
        ::syscall(SYS_pidfd_send_signal, process_->pidfd(), SIGTERM, nullptr, 0U);
        (void)process_->ended_within(told_ms);
    }

    /// Bounded, whatever it says: the newest is kept.
    void drain_errors()
    {
        constexpr std::size_t most = 4096;
        std::array<char, 4096> some{};
        auto const size = again_if_interrupted([&] { return ::read(errors_.get(), some.data(), some.size()); });
        if (size <= 0) {
            if (size == 0 || errno != EAGAIN) errors_.reset();
            return;
        }
        said_.append(some.data(), static_cast<std::size_t>(size));
        if (said_.size() > most) said_.erase(0, said_.size() - most);
    }

    [[nodiscard]] std::string why_it_ended()
    {
        auto const how = process_->how_it_ended();
        while (errors_ && readable(errors_.get()))
            drain_errors();
        auto const complaint = complaint_of(said_);
        return complaint.empty() ? how : how + ": " + complaint;
    }

    static bool readable(int fd)
    {
        pollfd polled{fd, POLLIN, 0};
        return ::poll(&polled, 1, 0) > 0;
    }

    UniqueFd const socket_;
    ImageRequest const& request_;
    ImageTools const& tools_;
    std::unique_ptr<ChildProcess> process_;
    UniqueFd errors_; ///< what it writes to its standard error
    std::string said_;
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
