#include "devices/block/nbd_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <poll.h>

namespace devices::block {

namespace {

constexpr std::uint64_t zeroes_at_once = 1 << 20; ///< for servers that cannot write zeroes themselves

std::string last_error()
{
    auto const* const text = nbd_library().get_error();
    std::string what = text ? text : "unknown error";
    std::replace(what.begin(), what.end(), '\n', ' ');
    return what;
}

Result result_of(int error)
{
    switch (error) {
    case 0: return Result::Done;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Result::NoSpace;
    case ENOTCONN:
    case ESHUTDOWN: return Result::Unreachable;
    default: return Result::Failed;
    }
}

} // namespace

struct NbdConnection::Command {
    NbdConnection& connection;
    Request& request;
};

NbdConnection::~NbdConnection()
{
    if (handle_) nbd_library().close(handle_);
    while (!under_way_.empty())
        finish(**under_way_.begin(), Result::Unreachable);
}

std::string NbdConnection::connect(std::string const& uri, int wake, std::chrono::milliseconds limit)
{
    handle_ = nbd_library().create();
    if (!handle_ || nbd_library().aio_connect_uri(handle_, uri.c_str()) != 0) return last_error();
    auto const deadline = std::chrono::steady_clock::now() + limit;
    while (nbd_library().aio_is_connecting(handle_) != 0) {
        auto const left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return "no answer for " + std::to_string(limit.count() / 1000) + " s";
        bool woken = false;
        if (!wait(wake, static_cast<int>(left.count()), woken)) return last_error();
        if (woken) return "stopped";
    }
    return nbd_library().aio_is_ready(handle_) > 0 ? std::string{} : last_error();
}

Properties NbdConnection::properties() const
{
    auto const size = nbd_library().get_size(handle_);
    return {.size = size < 0 ? 0 : static_cast<std::uint64_t>(size),
            .read_only = nbd_library().is_read_only(handle_) > 0,
            .discard = nbd_library().can_trim(handle_) > 0,
            .discard_zeroes = false};
}

void NbdConnection::begin(Request& request)
{
    under_way_.insert(&request);
    auto& bounce = request.progress.bounce;
    request.progress.bytes = 0;
    switch (request.operation) {
    case Operation::Read:
    case Operation::Write:
        if (request.buffers.size() == 1) break;
        bounce.resize(request.length);
        if (request.operation == Operation::Write) {
            auto* to = bounce.data();
            for (auto const& buffer : request.buffers) {
                std::memcpy(to, buffer.iov_base, buffer.iov_len);
                to += buffer.iov_len;
            }
        }
        break;
    case Operation::Flush:
        request.progress.bytes = written_;
        if (nbd_library().can_flush(handle_) <= 0)
            return finish(request, Result::Done); // the server says it has no cache
        break;
    case Operation::Discard:
        if (nbd_library().can_trim(handle_) <= 0) return finish(request, Result::Done);
        break;
    case Operation::WriteZeroes: break;
    }
    start(request);
}

/// The next command for a request: the only one, but for zeroes that have to be written.
void NbdConnection::start(Request& request)
{
    auto command = std::make_unique<Command>(*this, request);
    nbd_completion_callback const callback{
        .callback = ended, .user_data = command.get(), .free = [](void* c) { delete static_cast<Command*>(c); }};
    auto* const data =
        request.buffers.size() == 1 ? request.buffers.front().iov_base : request.progress.bounce.data();
    std::int64_t cookie = -1;
    // The library frees the command also when it refuses it.
    (void)command.release();
    switch (request.operation) {
    case Operation::Read:
        cookie = nbd_library().aio_pread(handle_, data, request.length, request.offset, callback, 0);
        break;
    case Operation::Write:
        cookie = nbd_library().aio_pwrite(handle_, data, request.length, request.offset, callback, 0);
        break;
    case Operation::Flush: cookie = nbd_library().aio_flush(handle_, callback, 0); break;
    case Operation::Discard:
        cookie = nbd_library().aio_trim(handle_, request.length, request.offset, callback, 0);
        break;
    case Operation::WriteZeroes: {
        if (nbd_library().can_zero(handle_) > 0) {
            cookie = nbd_library().aio_zero(handle_, request.length, request.offset, callback, 0);
            break;
        }
        auto& bounce = request.progress.bounce;
        bounce.assign(std::min(zeroes_at_once, request.length - request.progress.bytes), std::byte{0});
        cookie = nbd_library().aio_pwrite(handle_, bounce.data(), bounce.size(),
                                          request.offset + request.progress.bytes, callback, 0);
        break;
    }
    }
    if (cookie < 0) finish(request, nbd_library().aio_is_ready(handle_) > 0 ? Result::Failed : Result::Unreachable);
}

/// libnbd's completion callback: 1 retires the command. libnbd's lock is held: no further call to it from here, so
/// the result waits in the request until `drive` comes by.
int NbdConnection::ended(void* command, int* error)
{
    auto& [connection, request] = *static_cast<Command*>(command);
    connection.ended_.emplace_back(&request, result_of(*error));
    return 1;
}

void NbdConnection::finish(Request& request, Result result)
{
    under_way_.erase(&request);
    auto& bounce = request.progress.bounce;
    if (request.operation == Operation::Read && result == Result::Done && request.buffers.size() != 1) {
        auto const* from = bounce.data();
        for (auto const& buffer : request.buffers) {
            std::memcpy(buffer.iov_base, from, buffer.iov_len);
            from += buffer.iov_len;
        }
    }
    bounce = {};
    if (result == Result::Done) {
        if (request.operation == Operation::Flush) {
            flushed_ = std::max(flushed_, request.progress.bytes);
        } else if (request.operation != Operation::Read) {
            ++written_;
        }
    }
    request.completed(result);
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
    bool const fine = wait(wake, -1, woken);
    finish_ended();
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

void NbdConnection::finish_ended()
{
    for (auto const& [request, result] : std::exchange(ended_, {})) {
        bool const zeroing = request->operation == Operation::WriteZeroes && !request->progress.bounce.empty();
        if (zeroing && result == Result::Done) {
            request->progress.bytes += request->progress.bounce.size();
            if (request->progress.bytes < request->length) {
                start(*request);
                continue;
            }
        }
        finish(*request, result);
    }
}

} // namespace devices::block
