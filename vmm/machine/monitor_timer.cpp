#include "vmm/machine/monitor_timer.hpp"

#include "vmm/machine/common_page.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <new>

namespace vmm {

/// Used on the io_context only, but for `asked`.
struct MonitorTimer::Shared : std::enable_shared_from_this<Shared> {
    Shared(boost::asio::io_context& context, hv::MonitorScanner& wanted) : io{context}, timer{io}, scanner{&wanted} {}

    void scan()
    {
        if (!scanner) return;
        auto const next = scanner->scan(hv::MonitorScanner::Clock::now());
        if (!next) {
            timer.cancel();
            return;
        }
        timer.expires_at(*next);
        timer.async_wait([self = shared_from_this()](boost::system::error_code const& error) {
            if (!error) self->scan();
        });
    }

    boost::asio::io_context& io;
    boost::asio::steady_timer timer;
    hv::MonitorScanner* scanner; ///< nullptr once the host has gone
    std::atomic<bool> asked{false};
};

MonitorTimer::MonitorTimer(boost::asio::io_context& io, hv::MonitorScanner& scanner)
    : scanner_{scanner}, shared_{std::make_shared<Shared>(io, scanner)}
{
    scanner_.set_host(this);
}

MonitorTimer::~MonitorTimer()
{
    scanner_.set_host(nullptr);
    shared_->scanner = nullptr;
    shared_->timer.cancel();
}

std::unique_ptr<hv::CommonPage> MonitorTimer::make_common_page()
{
    return MappedCommonPage::make(page_map_);
}

/// However often guests want a scan, one handler is on its way at most. Without memory for it the wish is dropped:
/// the guest whose thread this is must go on.
void MonitorTimer::scan_soon()
{
    if (shared_->asked.exchange(true)) return;
    try {
        boost::asio::post(shared_->io, [shared = shared_] {
            shared->asked = false;
            shared->scan();
        });
    } catch (std::bad_alloc const&) {
        shared_->asked = false;
    }
}

} // namespace vmm
