#include "vmm/machine/asio_clock.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <ctime>
#include <mutex>
#include <optional>
#include <utility>

namespace vmm {

using std::chrono::steady_clock;

/// The timer itself and the callback, and what says whether it may be called, are touched on the io_context only.
/// However often a guest makes its device change the deadline, one handler is on its way at most, and it takes the
/// newest.
struct AsioClock::Timer : std::enable_shared_from_this<Timer> {
    using Deadline = std::optional<steady_clock::time_point>;

    explicit Timer(boost::asio::io_context& context) : io{context}, timer{context} {}

    void want(Deadline deadline)
    {
        std::lock_guard const guard{lock};
        wanted = deadline;
        if (on_its_way) return;
        on_its_way = true;
        boost::asio::post(io, [self = shared_from_this()] { self->apply(); });
    }

    void apply()
    {
        Deadline deadline;
        {
            std::lock_guard const guard{lock};
            on_its_way = false;
            if (detached) return;
            deadline = wanted;
        }
        timer.cancel();
        if (!deadline) return;
        timer.expires_at(*deadline);
        timer.async_wait([self = shared_from_this()](boost::system::error_code const& error) {
            if (!error) self->call();
        });
    }

    void call()
    {
        if (quiesced)
            due = true;
        else if (callback)
            callback();
    }

    void resume()
    {
        quiesced = false;
        if (std::exchange(due, false)) call();
    }

    void detach()
    {
        {
            std::lock_guard const guard{lock};
            if (std::exchange(detached, true)) return;
        }
        callback = nullptr;
        timer.cancel();
    }

    boost::asio::io_context& io;
    boost::asio::steady_timer timer;
    std::function<void()> callback;
    bool quiesced = false;
    bool due = false; ///< the callback, since then

    std::mutex lock; // the three below
    Deadline wanted;
    bool on_its_way = false;
    bool detached = false;
};

AsioClock::AsioClock(boost::asio::io_context& io, std::chrono::nanoseconds start)
    : epoch_{steady_clock::now().time_since_epoch() - start}, timer_{std::make_shared<Timer>(io)}
{}

AsioClock::~AsioClock()
{
    timer_->detach();
}

void AsioClock::detach()
{
    timer_->detach();
}

std::chrono::nanoseconds AsioClock::utc()
{
    return std::chrono::system_clock::now().time_since_epoch();
}

std::chrono::nanoseconds AsioClock::local()
{
    auto const now = std::chrono::system_clock::now();
    auto const seconds = std::chrono::system_clock::to_time_t(now);
    std::tm parts{};
    // Of a year beyond what std::tm holds, which no host's clock shows, the offset stays zero.
    (void)::localtime_r(&seconds, &parts);
    return now.time_since_epoch() + std::chrono::seconds{parts.tm_gmtoff};
}

std::chrono::nanoseconds AsioClock::now() const
{
    auto const stopped = stopped_.load();
    return stopped != Nanoseconds::min() ? stopped : steady_clock::now().time_since_epoch() - epoch_.load();
}

void AsioClock::quiesce(hv::StillBusy busy)
{
    boost::asio::post(timer_->io, [timer = timer_, busy = std::move(busy)] { timer->quiesced = true; });
}

void AsioClock::resume()
{
    boost::asio::post(timer_->io, [timer = timer_] { timer->resume(); });
}

void AsioClock::stop()
{
    std::lock_guard const guard{lock_};
    stopped_.store(now());
    set_timer();
}

void AsioClock::go_on()
{
    std::lock_guard const guard{lock_};
    auto const stopped = stopped_.load();
    if (stopped == Nanoseconds::min()) return;
    epoch_.store(steady_clock::now().time_since_epoch() - stopped);
    stopped_.store(Nanoseconds::min());
    set_timer();
}

void AsioClock::on_deadline(std::function<void()> callback)
{
    timer_->callback = std::move(callback);
}

void AsioClock::arm(std::chrono::nanoseconds deadline)
{
    std::lock_guard const guard{lock_};
    deadline_ = deadline;
    set_timer();
}

void AsioClock::disarm()
{
    std::lock_guard const guard{lock_};
    deadline_.reset();
    set_timer();
}

void AsioClock::set_timer()
{
    bool const runs = stopped_.load() == Nanoseconds::min();
    if (deadline_ && runs)
        timer_->want(steady_clock::time_point{epoch_.load() + *deadline_});
    else
        timer_->want(std::nullopt);
}

} // namespace vmm
