#include "devices/block/io_ring.hpp"

#include "devices/base/guarded_thread.hpp"
#include "devices/base/os_error.hpp"
#include "devices/block/ring_setup.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <utility>

namespace devices::block {

namespace {

/// How long the kernel is left alone that could not take an entry, unless a completion comes first.
constexpr int retry_ms = 5;

/// The kernel has no memory, or wants its completions taken first.
bool passes(int error)
{
    return error == -EAGAIN || error == -EBUSY || error == -ENOMEM;
}

} // namespace

IoRing::State::State(Submit how) : submit{std::move(how)}, event{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}
{
    if (!event) throw OpenError{std::string{"no disk image can be opened: eventfd: "} + os_error(errno)};
    if (int const failed = set_up_ring(ring, entries); failed < 0) {
        throw OpenError{std::string{"this host gives no io_uring, which disk images need: "} + os_error(-failed) +
                        " (see /proc/sys/kernel/io_uring_disabled, or what your container forbids)"};
    }
}

IoRing::State::~State()
{
    io_uring_queue_exit(&ring);
}

IoRing::IoRing(Notice notice, Submit submit) : state_{std::make_shared<State>(std::move(submit))}
{
    auto const failed = [notice = std::move(notice)](char const* what) {
        if (notice) notice(std::string{"a completion of a disk image was lost: "} + what);
    };
    auto const body = [state = state_, failed] {
        while (!contain([&] { state->take_completions(); }, failed)) {
        }
    };
    thread_ = guarded_thread(ThreadRole::DiskRing, body, failed);
}

IoRing::~IoRing()
{
    state_->submissions.lock()->ending = true;
    state_->wake();
    if (thread_.get_id() == std::this_thread::get_id()) {
        thread_.detach(); // it answered the last request, and its owner went with it
    } else {
        thread_.join();
    }
}

void IoRing::begin(RingClient& client, Request& request)
{
    request.progress.client = &client;
    request.progress.next = nullptr;
    bool left = false;
    {
        auto const submissions = state_->submissions.lock();
        submissions->add(request);
        left = !submissions->flush();
    }
    if (left) state_->wake();
}

void IoRing::quiesce(hv::StillBusy busy)
{
    auto const submissions = state_->submissions.lock();
    state_->quiesced = true;
    if (state_->reads.load() != 0) submissions->busy = std::move(busy);
}

void IoRing::resume()
{
    hv::StillBusy forgotten;
    bool left = false;
    {
        auto const submissions = state_->submissions.lock();
        if (!state_->quiesced.exchange(false)) return;
        forgotten = std::move(submissions->busy);
        left = !submissions->flush();
    }
    if (left) state_->wake();
}

void IoRing::Submissions::add(Request& request)
{
    *end = &request;
    end = &request.progress.next;
}

Request* IoRing::Submissions::take_first()
{
    auto* const request = first;
    first = request->progress.next;
    if (!first) end = &first;
    return request;
}

void IoRing::Submissions::prepare_watch()
{
    auto* const entry = io_uring_get_sqe(&state.ring);
    if (!entry) return;
    io_uring_prep_poll_add(entry, state.event.get(), POLLIN);
    io_uring_sqe_set_data(entry, nullptr);
    queued[queued_to++ % entries] = nullptr;
    must_watch = false;
}

void IoRing::Submissions::prepare_requests()
{
    while (first && !state.quiesced.load(std::memory_order_relaxed)) {
        auto* const entry = io_uring_get_sqe(&state.ring);
        if (!entry) return;
        auto* const request = take_first();
        if (request->operation == Operation::Read) state.reads.fetch_add(1, std::memory_order_relaxed);
        request->progress.client->prepare(*entry, *request);
        io_uring_sqe_set_data(entry, request);
        queued[queued_to++ % entries] = request;
    }
}

/// A request may be over, and gone, as soon as the kernel has taken its entry: none is touched after that.
bool IoRing::Submissions::flush()
{
    while (error == 0) {
        if (must_watch) prepare_watch();
        prepare_requests();
        if (queued_from == queued_to) return true;
        state.handed_over.fetch_add(1, std::memory_order_release);
        int const taken = state.submit(&state.ring);
        if (taken == -EINTR) continue;
        if (taken == 0 || passes(taken)) return false;
        if (taken < 0)
            error = taken;
        else
            queued_from += static_cast<unsigned>(taken);
    }
    return !first && queued_from == queued_to;
}

IoRing::Refused IoRing::Submissions::take_refused()
{
    if (error == 0) return {};
    if (queued_from != queued_to) {
        auto* const request = queued[queued_from++ % entries];
        return {.any = true, .request = request, .was_read = request && request->operation == Operation::Read};
    }
    if (first) return {.any = true, .request = take_first()};
    return {};
}

/// The kernel refuses the ring itself. What is in it will not be given to the kernel any more.
void IoRing::State::fail_rest()
{
    for (;;) {
        auto const [refused, error] = [this] {
            auto const given = submissions.lock();
            return std::pair{given->take_refused(), given->error};
        }();
        if (!refused.any) return;
        if (refused.was_read) read_ended();
        if (refused.request) refused.request->progress.client->ended(*refused.request, error);
    }
}

/// Nobody writes into the memory of a read any more.
void IoRing::State::read_ended()
{
    if (reads.fetch_sub(1) != 1 || !quiesced.load()) return;
    hv::StillBusy at_rest; // let go of without the lock
    at_rest = std::move(submissions.lock()->busy);
}

/// Whether the event was among what has completed.
bool IoRing::State::take_ready()
{
    bool woken = false;
    io_uring_cqe* completion = nullptr;
    while (io_uring_peek_cqe(&ring, &completion) == 0) {
        auto* const request = static_cast<Request*>(io_uring_cqe_get_data(completion));
        int const result = completion->res;
        io_uring_cqe_seen(&ring, completion);
        (void)handed_over.load(std::memory_order_acquire);
        if (!request) {
            woken = true;
            continue;
        }
        if (request->operation == Operation::Read) read_ended();
        request->progress.client->ended(*request, result);
    }
    return woken;
}

/// The ring itself is waited for, while it takes all that it is given; otherwise also the event, and for a while
/// only.
void IoRing::State::take_completions()
{
    bool left = false;
    bool refused = false;
    for (bool woken = true;;) {
        woken = take_ready() || woken;
        if (left || woken) {
            std::uint64_t count = 0;
            (void)!::read(event.get(), &count, sizeof count);
            {
                auto const given = submissions.lock();
                if (given->ending) return;
                given->must_watch = given->must_watch || woken;
                left = !given->flush();
                refused = given->error != 0;
            }
            fail_rest();
            left = left && !refused;
            woken = false;
        }
        if (left || refused) {
            pollfd ready[]{{ring.ring_fd, POLLIN, 0}, {event.get(), POLLIN, 0}};
            (void)poll(ready, 2, left ? retry_ms : -1);
            woken = ready[1].revents != 0;
        } else {
            io_uring_cqe* completion = nullptr;
            (void)io_uring_wait_cqe(&ring, &completion);
        }
    }
}

void IoRing::State::wake() const
{
    std::uint64_t const one = 1;
    while (::write(event.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

} // namespace devices::block
