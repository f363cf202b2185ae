#include "vmm/machine/message_retry.hpp"

#include "hv/vp/virtual_processor.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <vector>

namespace vmm {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_interval{1};
constexpr milliseconds last_interval{128};

} // namespace

struct MessageRetry::Shared : std::enable_shared_from_this<Shared> {
    struct PerVp {
        std::atomic<bool> pending{false};
        milliseconds interval = first_interval; // io_context only
    };

    explicit Shared(boost::asio::io_context& context) : io{context} {}

    void wait(hv::VpIndex vp)
    {
        auto timer = std::make_shared<boost::asio::steady_timer>(io, vps[vp.value].interval);
        timer->async_wait([self = shared_from_this(), timer, vp](auto const&) { self->look(vp); });
    }

    void look(hv::VpIndex vp)
    {
        auto const guest = partition.lock();
        if (!guest) return;
        auto& state = vps[vp.value];
        state.pending.store(false);
        guest->vp(vp)->synic().scan_queues(); // schedules again when something is left
        state.interval = state.pending.load() ? std::min(2 * state.interval, last_interval) : first_interval;
    }

    boost::asio::io_context& io;
    std::weak_ptr<hv::Partition> partition;
    std::vector<PerVp> vps;
};

MessageRetry::MessageRetry(boost::asio::io_context& io) : shared_{std::make_shared<Shared>(io)} {}

void MessageRetry::attach(std::shared_ptr<hv::Partition> const& partition)
{
    shared_->vps = std::vector<Shared::PerVp>(partition->vps().size());
    shared_->partition = partition;
}

void MessageRetry::detach()
{
    shared_->partition.reset();
}

void MessageRetry::schedule(hv::VpIndex vp)
{
    auto& pending = shared_->vps[vp.value].pending;
    if (pending.exchange(true)) return;
    try {
        boost::asio::post(shared_->io, [shared = shared_, vp] { shared->wait(vp); });
    } catch (std::bad_alloc const&) { // without a retry: EOM and the next post deliver as well
        pending = false;
    }
}

} // namespace vmm
