#include "vmm/console/output_queue.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/log.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
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
    return std::string{"cannot write the guest's console output: "} + devices::os_error(error);
}

UniqueFd new_event()
{
    UniqueFd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!event) throw std::system_error{errno, std::generic_category(), "eventfd"};
    return event;
}

} // namespace

OutputQueue::Account::Account(Lost lost) : lost_{std::move(lost)}, stop_event_{new_event()} {}

OutputQueue::OutputQueue(boost::asio::io_context& io, ConsoleDescriptor descriptor, Limits const& limits)
    : limits_{limits},
      descriptor_{std::move(descriptor)},
      abandon_event_{new_event()},
      strand_{io.get_executor()},
      timer_{strand_},
      watched_{strand_}
{
    if (!descriptor_.is_pollable()) return;
    UniqueFd copy{::fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 3)};
    if (!copy) throw std::system_error{errno, std::generic_category(), "fcntl"};
    watched_.assign(copy.release());
}

void OutputQueue::add(Account& account)
{
    Lock const lock{mutex_};
    accounts_.push_back(&account);
}

void OutputQueue::remove(Account& account)
{
    Lock const lock{mutex_};
    std::erase(accounts_, &account);
    for (auto& segment : segments_) {
        if (segment.account == &account) segment.account = nullptr;
    }
}

void OutputQueue::write(Account& account, std::span<std::byte const> bytes)
{
    Lock lock{mutex_};
    while (!bytes.empty()) {
        auto const piece = bytes.first(std::min(bytes.size(), limits_.flush_at));
        bytes = bytes.subspan(piece.size());

        if (broken()) return;
        if (!has_room(account, piece.size()) && !wait_for_room(lock, account, piece.size())) {
            account.dropped_ += piece.size();
            dropped_in_stall_ += piece.size();
            continue;
        }
        append(account, piece);
        flush_or_arm(std::find(piece.begin(), piece.end(), newline) != piece.end());
    }
}

void OutputQueue::offer(Account& account, std::span<std::byte const> bytes)
{
    Lock const lock{mutex_};
    if (broken() || !has_room(account, bytes.size())) return;
    append(account, bytes);
    flush_or_arm(true);
}

void OutputQueue::allow_waiting(Account& account, bool allowed)
{
    Lock const lock{mutex_};
    account.stopped_ = !allowed;
    std::uint64_t count = 1;
    if (allowed)
        (void)!::read(account.stop_event_.get(), &count, sizeof count);
    else
        (void)!::write(account.stop_event_.get(), &count, sizeof count);
}

void OutputQueue::finish()
{
    Lock lock{mutex_};
    drain();
    while (pending() > 0 && !stalled_) {
        auto const deadline = std::chrono::steady_clock::now() + limits_.patience;
        stalled_ = !wait_until_writable(lock, deadline, abandon_event_.get());
        if (!stalled_) drain();
    }
    for (auto* const account : accounts_)
        account->dropped_ += account->pending_;
    forget();
}

void OutputQueue::abandon()
{
    std::uint64_t const count = 1;
    (void)!::write(abandon_event_.get(), &count, sizeof count);
}

std::string OutputQueue::failure() const
{
    Lock const lock{mutex_};
    return failure_;
}

std::uint64_t OutputQueue::dropped(Account const& account) const
{
    Lock const lock{mutex_};
    return account.dropped_;
}

bool OutputQueue::wait_for_room(Lock& lock, Account const& account, std::size_t bytes)
{
    drain();
    auto const deadline = std::chrono::steady_clock::now() + limits_.patience;
    while (!has_room(account, bytes) && !broken() && !account.stopped_ && !stalled_) {
        if (wait_until_writable(lock, deadline, account.stop_event_.get())) {
            drain();
        } else if (!account.stopped_) {
            stalled_ = true;
        }
    }
    return has_room(account, bytes) && !broken();
}

/// Lets go of the lock meanwhile. False when the time is up or `interrupting_fd` is readable.
bool OutputQueue::wait_until_writable(Lock& lock, std::chrono::steady_clock::time_point deadline, int interrupting_fd)
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

void OutputQueue::append(Account& account, std::span<std::byte const> bytes)
{
    if (head_ > 0 && head_ >= buffer_.size() / 2) {
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    account.pending_ += bytes.size();
    if (!segments_.empty() && segments_.back().account == &account)
        segments_.back().bytes += bytes.size();
    else
        segments_.push_back({&account, bytes.size()});
}

/// The descriptor took so many bytes.
void OutputQueue::took(std::size_t bytes)
{
    head_ += bytes;
    while (bytes > 0) {
        auto& first = segments_.front();
        auto const part = std::min(bytes, first.bytes);
        if (first.account) first.account->pending_ -= part;
        first.bytes -= part;
        bytes -= part;
        if (first.bytes == 0) segments_.pop_front();
    }
}

void OutputQueue::forget()
{
    for (auto* const account : accounts_)
        account->pending_ = 0;
    segments_.clear();
    buffer_.clear();
    head_ = 0;
}

void OutputQueue::flush_or_arm(bool now)
{
    if (awaiting_room_) return;
    if (now || pending() >= limits_.flush_at) {
        drain();
    } else {
        arm_timer();
    }
}

/// Writes what the descriptor takes without blocking, and sees to the rest.
void OutputQueue::drain()
{
    while (pending() > 0 && !broken()) {
        auto const written = ::write(descriptor_.get(), buffer_.data() + head_, pending());
        if (written > 0) {
            took(static_cast<std::size_t>(written));
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

void OutputQueue::fail(int error)
{
    failure_ = lost_message(error);
    forget();
    for (auto* const account : accounts_)
        boost::asio::post(strand_, [account, message = failure_] { account->lost_(message); });
}

void OutputQueue::await_writable()
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

void OutputQueue::watch_reader()
{
    if (!descriptor_.has_reader() || watching_reader_.exchange(true)) return;
    boost::asio::post(strand_, [this] { await_hang_up(); });
}

void OutputQueue::await_hang_up()
{
    watched_.async_wait(boost::asio::posix::descriptor_base::wait_error,
                        [this](boost::system::error_code const& aborted) {
                            if (aborted) return;
                            Lock const lock{mutex_};
                            if (broken()) return;
                            if (descriptor_.is_hung_up()) return fail(EPIPE);
                            await_hang_up();
                        });
}

void OutputQueue::arm_timer()
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
