#include "vmm/machine/asio_clock.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <utility>

namespace vmm {

using std::chrono::steady_clock;

/// Touched on the io_context only.
struct AsioClock::Timer {
    explicit Timer(boost::asio::io_context& context) : io{context}, timer{context} {}

    boost::asio::io_context& io;
    boost::asio::steady_timer timer;
    std::function<void()> callback;
};

AsioClock::AsioClock(boost::asio::io_context& io, std::chrono::nanoseconds start)
    : epoch_{steady_clock::now() - start}, timer_{std::make_shared<Timer>(io)}
{}

AsioClock::~AsioClock()
{
    timer_->callback = nullptr;
    timer_->timer.cancel();
}

std::chrono::nanoseconds AsioClock::utc()
{
    return std::chrono::system_clock::now().time_since_epoch();
}

std::chrono::nanoseconds AsioClock::now() const
{
    return steady_clock::now() - epoch_;
}

void AsioClock::on_deadline(std::function<void()> callback)
{
    timer_->callback = std::move(callback);
}

void AsioClock::arm(std::chrono::nanoseconds deadline)
{
    boost::asio::post(timer_->io, [timer = timer_, when = epoch_ + deadline] {
        timer->timer.expires_at(when);
        timer->timer.async_wait([timer](boost::system::error_code const& error) {
            if (!error && timer->callback) timer->callback();
        });
    });
}

void AsioClock::disarm()
{
    boost::asio::post(timer_->io, [timer = timer_] { timer->timer.cancel(); });
}

} // namespace vmm
