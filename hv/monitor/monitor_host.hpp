/// What monitored notifications ask of the world. The VMM implements it; unit tests hand in their own.
#pragma once

#include "hv/abi/types.hpp"

#include <array>
#include <cstddef>
#include <memory>

namespace hv {

using PageContent = std::array<std::byte, page_size>;

/// A page of host memory that can show up in the RAM of several guests: one memory, whoever writes to it (TLFS 2.0a
/// §14.5.4). The model reads and writes it at `host` as long as this object lives.
class CommonPage {
  public:
    CommonPage() = default;
    CommonPage(CommonPage const&) = delete;
    CommonPage& operator=(CommonPage const&) = delete;
    virtual ~CommonPage() = default;

    [[nodiscard]] virtual std::byte* host() const = 0;
    /// Puts this page in the place of a page of guest RAM, whose content is lost. False when the host refuses.
    [[nodiscard]] virtual bool show_at(std::byte* guest_page) = 0;
    /// Puts the guest's own memory back in its place, with that content. When the host refuses, the guest keeps the
    /// page.
    virtual void hide_at(std::byte* guest_page, PageContent const& content) = 0;
};

class MonitorHost {
  public:
    MonitorHost() = default;
    MonitorHost(MonitorHost const&) = delete;
    MonitorHost& operator=(MonitorHost const&) = delete;
    virtual ~MonitorHost() = default;

    /// A page of zeros, or nullptr when there is no memory. Like `show_at` and `hide_at`, it is called while ports
    /// are made, under the lock of a partition's tables, and has to return without calling the model.
    [[nodiscard]] virtual std::unique_ptr<CommonPage> make_common_page() = 0;

    /// Calls MonitorScanner::scan as soon as it can, on another stack. From any thread, no lock of the model held.
    virtual void scan_soon() = 0;
};

} // namespace hv
