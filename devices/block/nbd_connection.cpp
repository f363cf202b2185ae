#include "devices/block/nbd_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <utility>

namespace devices::block {

namespace {

std::string last_error()
{
    auto const* const text = nbd_library().get_error();
    std::string what = text ? text : "unknown error";
    std::replace(what.begin(), what.end(), '\n', ' ');
    return what;
}

} // namespace

NbdConnection::~NbdConnection()
{
    if (handle_) nbd_library().close(handle_); // the library uses no memory of a command after that
    for (auto& command : commands_)
        if (command.charged != 0) memory_.give_back(command.charged);
    for (auto const& [request, job] : jobs_)
        request->completed(Result::Unreachable);
}

std::string NbdConnection::connect(NbdSource& source, int wake, std::chrono::milliseconds limit)
{
    handle_ = nbd_library().create();
    if (!handle_ || source.begin(handle_) != 0) return last_error();
    auto const deadline = std::chrono::steady_clock::now() + limit;
    while (nbd_library().aio_is_connecting(handle_) != 0) {
        auto const left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return "no answer for " + std::to_string(limit.count() / 1000) + " s";
        bool woken = false;
        if (!wait(wake, static_cast<int>(left.count()), woken)) return last_error();
        if (woken) return "stopped";
    }
    if (nbd_library().aio_is_ready(handle_) <= 0) return last_error();
    auto const size = [this](int which) { return nbd_library().get_block_size(handle_, which); };
    sizes_ = NbdBlockSizes::from(size(LIBNBD_SIZE_MINIMUM), size(LIBNBD_SIZE_PREFERRED), size(LIBNBD_SIZE_MAXIMUM));
    sizes_.writes_zeroes = nbd_library().can_zero(handle_) > 0;
    return {};
}

Properties NbdConnection::properties() const
{
    auto const size = nbd_library().get_size(handle_);
    auto const physical = std::max<std::uint64_t>(4096, sizes_.minimum);
    return {.size = size < 0 ? 0 : static_cast<std::uint64_t>(size),
            .read_only = nbd_library().is_read_only(handle_) > 0,
            .discard = nbd_library().can_trim(handle_) > 0,
            .discard_zeroes = false,
            .physical_block = static_cast<std::uint32_t>(physical),
            .preferred_transfer =
                sizes_.preferred > physical
                    ? static_cast<std::uint32_t>(std::min<std::uint64_t>(sizes_.preferred, 1U << 31))
                    : 0};
}

bool NbdConnection::wait(int wake, int timeout_ms, bool& woken)
{
    auto const direction = nbd_library().aio_get_direction(handle_);
    short events = 0;
    if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0) events |= POLLIN;
    if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) events |= POLLOUT;
    pollfd fds[]{{nbd_library().aio_get_fd(handle_), events, 0}, {wake, POLLIN, 0}};
    if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR) return false;
    woken = (fds[1].revents & POLLIN) != 0;
    auto const readable = static_cast<unsigned>(fds[0].revents) & (POLLIN | POLLHUP | POLLERR | POLLNVAL);
    if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0 && readable != 0)
        return nbd_library().aio_notify_read(handle_) == 0;
    auto const writable = static_cast<unsigned>(fds[0].revents) & (POLLOUT | POLLHUP | POLLERR);
    if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 && writable != 0)
        return nbd_library().aio_notify_write(handle_) == 0;
    return true;
}

bool NbdConnection::drive(int wake)
{
    bool woken = false;
    bool const fine = ended_ || wait(wake, -1, woken);
    do {
        finish_ended();
        pump();
    } while (ended_);
    return fine && nbd_library().aio_is_dead(handle_) == 0 && nbd_library().aio_is_closed(handle_) == 0;
}

void NbdConnection::disconnect()
{
    constexpr int patience_ms = 500;
    if (!handle_ || nbd_library().aio_is_ready(handle_) <= 0 || nbd_library().aio_disconnect(handle_, 0) != 0) return;
    for (int waited = 0;
         waited < patience_ms && nbd_library().aio_is_closed(handle_) == 0 && nbd_library().aio_is_dead(handle_) == 0;
         waited += 10) {
        bool woken = false;
        if (!wait(-1, 10, woken)) return;
    }
}

} // namespace devices::block
