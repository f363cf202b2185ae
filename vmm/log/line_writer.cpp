#include "vmm/log/line_writer.hpp"

#include "devices/base/guarded_thread.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace vmm {

namespace {

constexpr int for_ever = -1;

/// The reader went away, or there was none: nobody's fault, and nobody is left who could read the rest.
bool is_readers_choice(int fd, int error)
{
    return error == EPIPE || error == EBADF || (error == EIO && ::isatty(fd) == 1);
}

std::uint64_t count_lines(std::string_view text)
{
    return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

} // namespace

struct LineWriter::Shared {
    using Lock = std::unique_lock<std::mutex>;

    Shared(ConsoleDescriptor fd, std::string_view prefix_of_notes, Failed on_failure, Limits const& bounds)
        : descriptor{std::move(fd)},
          stop_event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
          prefix{prefix_of_notes},
          failed{std::move(on_failure)},
          limits{bounds}
    {}

    void put(std::string_view line, std::size_t room) noexcept;
    void keep(std::string_view line, std::size_t room);
    void take_note();
    void write_at_once(std::string_view line);

    void work();
    void break_off();
    [[nodiscard]] bool write_batch(Lock& lock, std::string_view batch);
    [[nodiscard]] bool await_room(int timeout_ms) const;
    [[nodiscard]] bool try_again_after(Lock& lock, int error);

    ConsoleDescriptor const descriptor;
    UniqueFd const stop_event; // readable: give up
    std::string const prefix;
    Failed const failed;
    Limits const limits;

    mutable std::mutex mutex; // all below
    std::condition_variable changed;
    std::string queue;
    std::size_t in_flight = 0;    // bytes of the batch that are still to be written
    std::uint64_t moved = 0;      // counts progress
    std::uint64_t lost = 0;       // lines
    std::uint64_t unreported = 0; // of them, those that no note has told of
    int error = 0;                // of the newest write, if it failed
    bool at_fault = false;
    bool broken = false;  // no write will succeed any more
    bool closing = false; // no line comes any more
    bool ended = false;   // the thread has nothing to do any more
    std::thread thread;
};

void LineWriter::Shared::put(std::string_view line, std::size_t room) noexcept
{
    Lock const lock{mutex};
    if (!thread.joinable() && !closing) return write_at_once(line);
    try {
        keep(line, room);
    } catch (std::exception const&) { // no memory: as if there were no room
        ++lost;
        ++unreported;
    }
}

void LineWriter::Shared::keep(std::string_view line, std::size_t room)
{
    auto const waiting = queue.size() + in_flight;
    // After a loss not every line that is written makes room for one: then half of them would be notes.
    auto const limit = unreported > 0 && room == limits.capacity ? room / 2 : room;
    if (broken || closing || waiting + line.size() > limit) {
        ++lost;
        ++unreported;
        return;
    }
    take_note();
    queue += line;
    changed.notify_all();
}

void LineWriter::Shared::take_note()
{
    if (unreported == 0) return;
    queue += prefix + std::to_string(unreported) +
             (unreported == 1 ? " line is missing here" : " lines are missing here") +
             ": what should have taken them did not keep up\n";
    unreported = 0;
}

void LineWriter::Shared::write_at_once(std::string_view line)
{
    auto const written = await_room(0) ? ::write(descriptor.get(), line.data(), line.size()) : 0;
    if (written != static_cast<ssize_t>(line.size())) ++lost;
}

void LineWriter::Shared::work()
{
    Lock lock{mutex};
    for (std::string batch;;) {
        changed.wait(lock, [this] { return !queue.empty() || unreported > 0 || closing; });
        if (queue.empty() && !broken) take_note();
        if (queue.empty() || broken) break;
        batch.clear();
        batch.swap(queue);
        in_flight = batch.size();
        if (write_batch(lock, batch)) continue;
        lost += count_lines(std::string_view{batch}.substr(batch.size() - in_flight)) + count_lines(queue);
        broken = true;
    }
    queue = {};
    in_flight = 0;
    ended = true;
    changed.notify_all();
}

/// No memory for the next step: the lines that are here are lost, and no other is taken.
void LineWriter::Shared::break_off()
{
    Lock const lock{mutex};
    broken = true;
    ended = true;
    changed.notify_all();
}

/// Lets go of the lock meanwhile. False when the rest cannot be written.
bool LineWriter::Shared::write_batch(Lock& lock, std::string_view batch)
{
    while (!batch.empty()) {
        lock.unlock();
        auto const written = ::write(descriptor.get(), batch.data(), batch.size());
        auto const why = written > 0 ? 0 : written == 0 ? EIO : errno;
        bool const goes_on = why == 0 || why == EINTR || (why == EAGAIN && await_room(for_ever));
        lock.lock();
        if (why == 0) {
            batch.remove_prefix(static_cast<std::size_t>(written));
            in_flight = batch.size();
            error = 0;
            ++moved;
            changed.notify_all();
        } else if (!goes_on && (why == EAGAIN || !try_again_after(lock, why))) {
            return false;
        }
    }
    return true;
}

/// False when it is time to give up.
bool LineWriter::Shared::await_room(int timeout_ms) const
{
    if (!descriptor.is_pollable()) return true;
    for (;;) {
        std::array<::pollfd, 2> events{{{descriptor.get(), POLLOUT, 0}, {stop_event.get(), POLLIN, 0}}};
        auto const ready = ::poll(events.data(), events.size(), timeout_ms);
        if (ready < 0 && errno == EINTR) continue;
        return ready > 0 && events[1].revents == 0;
    }
}

/// A disk that is full may have room later. False when that is not to be expected, or nobody waits for it.
bool LineWriter::Shared::try_again_after(Lock& lock, int why)
{
    bool const first = error == 0 && !at_fault;
    bool const last_attempt = closing && error != 0;
    error = why;
    if (!is_readers_choice(descriptor.get(), why)) at_fault = true;
    if (first && failed) {
        lock.unlock();
        failed(why);
        lock.lock();
    }
    if (is_readers_choice(descriptor.get(), why) || last_attempt) return false;
    changed.wait_for(lock, limits.retry, [this] { return closing; });
    return true;
}

LineWriter::LineWriter(ConsoleDescriptor descriptor, std::string_view prefix, Failed failed, Limits const& limits)
    : shared_{std::make_shared<Shared>(std::move(descriptor), prefix, std::move(failed), limits)}
{
    try {
        auto thread = devices::guarded_thread(
            devices::ThreadRole::LineWriter, [shared = shared_] { shared->work(); },
            [shared = shared_](char const*) { shared->break_off(); });
        Shared::Lock const lock{shared_->mutex};
        shared_->thread = std::move(thread);
    } catch (std::system_error const&) { // no thread to be had: the user still has to hear why
    }
}

LineWriter::~LineWriter()
{
    finish();
}

void LineWriter::put(std::string_view line) noexcept
{
    shared_->put(line, shared_->limits.capacity);
}

void LineWriter::put_important(std::string_view line) noexcept
{
    shared_->put(line, shared_->limits.capacity + shared_->limits.reserve);
}

void LineWriter::finish() noexcept
{
    if (std::exchange(finished_, true)) return;
    auto& shared = *shared_;
    Shared::Lock lock{shared.mutex};
    shared.closing = true;
    shared.changed.notify_all();
    if (!shared.thread.joinable()) return;

    using Clock = std::chrono::steady_clock;
    auto const latest = Clock::now() + shared.limits.most_patience;
    for (bool moves = true; moves && !shared.ended && Clock::now() < latest;) {
        auto const before = shared.moved;
        auto const until = std::min(latest, Clock::now() + shared.limits.patience);
        moves = shared.changed.wait_until(lock, until, [&] { return shared.ended || shared.moved != before; });
    }
    if (!shared.ended) {
        std::uint64_t const count = 1;
        (void)!::write(shared.stop_event.get(), &count, sizeof count);
        shared.changed.wait_for(lock, shared.limits.patience, [&] { return shared.ended; });
    }
    auto thread = std::move(shared.thread);
    bool const ended = shared.ended;
    lock.unlock();
    if (ended)
        thread.join();
    else
        thread.detach(); // stuck in write(2), whose end nobody can wait for
}

std::uint64_t LineWriter::lost() const
{
    Shared::Lock const lock{shared_->mutex};
    return shared_->lost;
}

bool LineWriter::failed() const
{
    Shared::Lock const lock{shared_->mutex};
    return shared_->at_fault;
}

} // namespace vmm
