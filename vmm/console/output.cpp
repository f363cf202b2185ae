#include "vmm/console/output.hpp"

#include "vmm/log.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <system_error>

namespace vmm {

namespace {

constexpr std::byte newline{'\n'};

std::string lost_message(int error)
{
    if (error == EPIPE) return "the guest's console output has no reader any more: nobody reads the pipe";
    return std::string{"cannot write the guest's console output: "} + std::strerror(error);
}

} // namespace

ConsoleOutput::ConsoleOutput(boost::asio::io_context& io, ConsoleDescriptor descriptor, Lost lost,
                             Limits const& limits)
    : limits_{limits},
      lost_{std::move(lost)},
      descriptor_{std::move(descriptor)},
      stop_event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      strand_{io.get_executor()},
      timer_{strand_},
      watched_{strand_}
{
    if (!stop_event_) throw std::system_error{errno, std::generic_category(), "eventfd"};
    if (!descriptor_.is_pollable()) return;
    UniqueFd copy{::fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 3)};
    if (!copy) throw std::system_error{errno, std::generic_category(), "fcntl"};
    watched_.assign(copy.release());
}

ConsoleOutput::~ConsoleOutput()
{
    finish();
}

void ConsoleOutput::write(std::span<std::byte const> bytes)
{
    Lock lock{mutex_};
    while (!bytes.empty()) {
        auto const piece = bytes.first(std::min(bytes.size(), limits_.flush_at));
        bytes = bytes.subspan(piece.size());

        if (broken()) return;
        if (!has_room(piece.size()) && !wait_for_room(lock, piece.size())) {
            dropped_ += piece.size();
            dropped_in_stall_ += piece.size();
            continue;
        }
        append(piece);
        flush_or_arm(std::find(piece.begin(), piece.end(), newline) != piece.end());
    }
}

void ConsoleOutput::notice(std::string_view text)
{
    auto const bytes = std::as_bytes(std::span{text});
    Lock const lock{mutex_};
    if (broken() || !has_room(bytes.size())) return;
    append(bytes);
    flush_or_arm(true);
}

void ConsoleOutput::stop_waiting()
{
    Lock const lock{mutex_};
    stopped_ = true;
    std::uint64_t const one = 1;
    (void)!::write(stop_event_.get(), &one, sizeof one);
}

void ConsoleOutput::finish()
{
    constexpr int uninterrupted = -1;
    Lock lock{mutex_};
    drain();
    while (pending() > 0 && !stalled_) {
        auto const deadline = std::chrono::steady_clock::now() + limits_.patience;
        stalled_ = !wait_until_writable(lock, deadline, uninterrupted);
        if (!stalled_) drain();
    }
    dropped_ += pending();
    buffer_.clear();
    head_ = 0;
}

std::string ConsoleOutput::failure() const
{
    Lock const lock{mutex_};
    return failure_;
}

std::uint64_t ConsoleOutput::dropped() const
{
    Lock const lock{mutex_};
    return dropped_;
}

bool ConsoleOutput::wait_for_room(Lock& lock, std::size_t bytes)
{
    drain();
    auto const deadline = std::chrono::steady_clock::now() + limits_.patience;
    while (!has_room(bytes) && !broken() && !stopped_ && !stalled_) {
        if (wait_until_writable(lock, deadline, stop_event_.get())) {
            drain();
        } else if (!stopped_) {
            stalled_ = true;
        }
    }
    return has_room(bytes) && !broken();
}

/// Lets go of the lock meanwhile. False when the time is up or `interrupting_fd` is readable.
bool ConsoleOutput::wait_until_writable(Lock& lock, std::chrono::steady_clock::time_point deadline,
                                        int interrupting_fd)
{
    using std::chrono::milliseconds;
    for (;;) {
        auto const left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left <= milliseconds::zero()) return false;

        std::array<::pollfd, 2> events{{{descriptor_.get(), POLLOUT, 0}, {interrupting_fd, POLLIN, 0}}};
        lock.unlock();
        auto const ready = ::poll(events.data(), events.size(), static_cast<int>(left.count()));
        lock.lock();
        if (ready <= 0) continue; // time up, or a signal
        if (events[1].revents != 0) return false;
        return true; // writable, or broken, as the next write will tell
    }
}

void ConsoleOutput::append(std::span<std::byte const> bytes)
{
    if (head_ > 0 && head_ >= buffer_.size() / 2) {
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void ConsoleOutput::flush_or_arm(bool now)
{
    if (awaiting_room_) return;
    if (now || pending() >= limits_.flush_at) {
        drain();
    } else {
        arm_timer();
    }
}

/// Writes what the descriptor takes without blocking, and sees to the rest.
void ConsoleOutput::drain()
{
    while (pending() > 0 && !broken()) {
        auto const written = ::write(descriptor_.get(), buffer_.data() + head_, pending());
        if (written > 0) {
            head_ += static_cast<std::size_t>(written);
            if (stalled_)
                spdlog::warn("the reader of the guest's console is back; it missed {} bytes", dropped_in_stall_);
            stalled_ = false;
            dropped_in_stall_ = 0;
            continue;
        }
        auto const error = written == 0 ? EIO : errno;
        if (error == EINTR) continue;
        if (error == EAGAIN) return await_writable();
        return fail(error);
    }
    if (pending() > 0) return;
    buffer_.clear();
    head_ = 0;
}

void ConsoleOutput::fail(int error)
{
    failure_ = lost_message(error);
    buffer_.clear();
    head_ = 0;
    boost::asio::post(strand_, [this, message = failure_] { lost_(message); });
}

void ConsoleOutput::await_writable()
{
    if (std::exchange(awaiting_room_, true)) return;
    boost::asio::post(strand_, [this] {
        watched_.async_wait(boost::asio::posix::descriptor_base::wait_write,
                            [this](boost::system::error_code const& aborted) {
                                if (aborted) return;
                                Lock const lock{mutex_};
                                awaiting_room_ = false;
                                drain();
                            });
    });
}

void ConsoleOutput::arm_timer()
{
    if (std::exchange(timer_armed_, true)) return;
    boost::asio::post(strand_, [this] {
        timer_.expires_after(limits_.delay);
        timer_.async_wait([this](boost::system::error_code const& aborted) {
            if (aborted) return;
            Lock const lock{mutex_};
            timer_armed_ = false;
            if (!awaiting_room_) drain();
        });
    });
}

} // namespace vmm
