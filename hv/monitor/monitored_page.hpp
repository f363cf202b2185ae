/// A monitor page as the scanner sees it (TLFS 2.0a §14.5).
#pragma once

#include "hv/abi/monitor.hpp"
#include "hv/monitor/monitor_host.hpp"

#include <cstddef>
#include <memory>
#include <utility>

namespace hv {

/// A monitor page as it is looked at: in memory of its own, or in the RAM of the guest that has made it (the page
/// that a VMBus guest names when it initiates contact).
class MonitoredPage {
  public:
    explicit MonitoredPage(std::shared_ptr<CommonPage> page) : keep_{std::move(page)}, at_{keep_->host()} {}
    /// `at` is page-aligned and stays mapped until MonitorScanner::stop has returned.
    explicit MonitoredPage(std::byte* at) : at_{at} {}

    [[nodiscard]] abi::MonitorPage& content() const { return *reinterpret_cast<abi::MonitorPage*>(at_); }
    [[nodiscard]] std::shared_ptr<CommonPage> const& common() const { return keep_; }

  private:
    std::shared_ptr<CommonPage> keep_;
    std::byte* at_;
};

} // namespace hv
