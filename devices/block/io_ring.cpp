#include "devices/block/io_ring.hpp"

#include "devices/base/os_error.hpp"
#include "devices/base/quiet_thread.hpp"

#include <cerrno>
#include <string>

namespace devices::block {

namespace {

constexpr unsigned queue_entries = 128;

} // namespace

IoRing::IoRing()
{
    if (int const error = io_uring_queue_init(queue_entries, &ring_, 0); error < 0) {
        throw OpenError{std::string{"this host gives no io_uring, which disk images need: "} + os_error(-error) +
                        " (see /proc/sys/kernel/io_uring_disabled, or what your container forbids)"};
    }
    thread_ = quiet_thread([this] { take_completions(); });
}

IoRing::~IoRing()
{
    {
        auto const lock = std::lock_guard{mutex_};
        auto* const entry = free_entry();
        io_uring_prep_nop(entry);
        io_uring_sqe_set_data(entry, nullptr);
        submit();
    }
    thread_.join();
    io_uring_queue_exit(&ring_);
}

io_uring_sqe* IoRing::free_entry()
{
    for (;;) {
        if (auto* const entry = io_uring_get_sqe(&ring_)) return entry;
        submit();
    }
}

/// The kernel takes what is queued, or will with the next call: EAGAIN and EBUSY pass when completions are taken.
void IoRing::submit()
{
    int taken = 0;
    do {
        taken = io_uring_submit(&ring_);
    } while (taken == -EINTR || taken == -EAGAIN || taken == -EBUSY);
}

void IoRing::take_completions()
{
    for (;;) {
        io_uring_cqe* completion = nullptr;
        if (io_uring_wait_cqe(&ring_, &completion) < 0) continue; // interrupted
        auto* const request = static_cast<Request*>(io_uring_cqe_get_data(completion));
        int const result = completion->res;
        io_uring_cqe_seen(&ring_, completion);
        if (!request) return;
        static_cast<Waiter*>(request->progress.backend)->ended(*request, result);
    }
}

} // namespace devices::block
