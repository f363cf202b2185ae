/// A common page over a page of one guest. What lay under it comes back when the view ends (TLFS 2.0a §8.1.3).
#pragma once

#include "hv/monitor/monitor_host.hpp"

#include <cstddef>
#include <memory>

namespace hv {

class CommonView {
  public:
    /// nullptr when the host has no memory for it. `guest_page` stays mapped for the life of the view.
    [[nodiscard]] static std::unique_ptr<CommonView> make(std::shared_ptr<CommonPage> page, std::byte* guest_page);
    CommonView(CommonView const&) = delete;
    CommonView& operator=(CommonView const&) = delete;
    ~CommonView();

  private:
    CommonView(std::shared_ptr<CommonPage> page, std::byte* guest_page);

    std::shared_ptr<CommonPage> const page_;
    std::byte* const guest_page_;
    bool shown_ = false;
    alignas(8) PageContent covered_;
};

} // namespace hv
