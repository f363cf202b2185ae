/// Common pages that really are common, and a host that scans when the test says so.
#pragma once

#include "hv/monitor/monitor_host.hpp"

#include <atomic>
#include <cstring>
#include <memory>
#include <sys/mman.h>

namespace hv::testing {

/// A shared anonymous page, mapped again wherever it is to be seen.
class MappedCommonPage final : public CommonPage {
  public:
    MappedCommonPage()
        : host_{static_cast<std::byte*>(
              ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))}
    {}
    ~MappedCommonPage() override { ::munmap(host_, page_size); }

    [[nodiscard]] std::byte* host() const override { return host_; }
    [[nodiscard]] bool show_at(std::byte* guest_page) override
    {
        return ::mremap(host_, 0, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, guest_page) == guest_page;
    }
    void hide_at(std::byte* guest_page, PageContent const& content) override
    {
        auto* const fresh = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        std::memcpy(fresh, content.data(), page_size);
        ::mremap(fresh, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, guest_page);
    }

  private:
    std::byte* const host_;
};

struct RecordingMonitorHost final : MonitorHost {
    std::atomic<unsigned> wishes{0}; ///< for a scan
    bool out_of_memory = false;

    [[nodiscard]] std::unique_ptr<CommonPage> make_common_page() override
    {
        if (out_of_memory) return nullptr;
        return std::make_unique<MappedCommonPage>();
    }
    void scan_soon() override { ++wishes; }
};

} // namespace hv::testing
