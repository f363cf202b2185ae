/// Has the registry's monitor pages looked at when they are due, on the event loop.
#pragma once

#include "hv/monitor/monitor_host.hpp"
#include "hv/partition/monitor_scanner.hpp"
#include "vmm/machine/common_page.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>

namespace vmm {

/// One timer for all pages of all partitions; none while no page is watched.
class MonitorTimer final : public hv::MonitorHost {
  public:
    MonitorTimer(boost::asio::io_context& io, hv::MonitorScanner& scanner);
    /// When no guest runs any more, and the event loop does not or will not run.
    ~MonitorTimer() override;

    [[nodiscard]] std::unique_ptr<hv::CommonPage> make_common_page() override;
    void scan_soon() override;

  private:
    struct Shared;

    hv::MonitorScanner& scanner_;
    PageMap const page_map_;
    std::shared_ptr<Shared> shared_; // the timer's handlers share it
};

} // namespace vmm
