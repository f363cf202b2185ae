#include "devices/vnc/vnc_server.hpp"

#include "devices/base/guarded_thread.hpp"
#include "devices/vnc/vnc_session.hpp"

#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace devices::vnc {

namespace {

void set(int event)
{
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const written = ::write(event, &one, sizeof one);
}

void clear(int event)
{
    std::uint64_t count = 0;
    [[maybe_unused]] auto const taken = ::read(event, &count, sizeof count);
}

} // namespace

void load_library(Passwords passwords)
{
    (void)vnc_library();
    if (passwords == Passwords::Yes) begin_passwords();
}

VncServer::VncServer(Config config, std::shared_ptr<display::Screen> screen, ViewerInput& input)
    : session_{std::make_unique<Session>(std::move(config), std::move(screen), input)},
      event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}
{
    if (!event_) throw std::system_error{errno, std::generic_category(), "eventfd"};
}

VncServer::~VncServer()
{
    ending_.store(true);
    set(event_.get());
    if (thread_.joinable()) thread_.join();
}

void VncServer::start()
{
    if (thread_.joinable()) return;
    auto serve = [this] {
        std::vector<pollfd> wanted;
        auto const changed = [event = event_.get()] { set(event); };
        while (!ending_.load()) {
            session_->serve(wanted, changed);
            viewers_.store(session_->viewers(), std::memory_order_relaxed);
            wanted.assign(1, {event_.get(), POLLIN, 0});
            session_->add_wanted(wanted);
            auto const ready = ::poll(wanted.data(), wanted.size(), session_->patience());
            if (ready > 0 && wanted.front().revents != 0) clear(event_.get());
        }
    };
    // Viewers see no more then, and commands still do.
    thread_ = guarded_thread(ThreadRole::Display, std::move(serve), [](char const*) {});
}

} // namespace devices::vnc
