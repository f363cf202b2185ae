/// A page that shows up in the RAM of several guests: shared anonymous memory, mapped over theirs.
#pragma once

#include "hv/monitor/monitor_host.hpp"

#include <memory>

namespace vmm {

class MappedCommonPage final : public hv::CommonPage {
  public:
    /// nullptr when the host has no memory.
    [[nodiscard]] static std::unique_ptr<MappedCommonPage> make();
    ~MappedCommonPage() override;

    [[nodiscard]] std::byte* host() const override { return host_; }
    [[nodiscard]] bool show_at(std::byte* guest_page) override;
    void hide_at(std::byte* guest_page, hv::PageContent const& content) override;

  private:
    explicit MappedCommonPage(std::byte* host) : host_{host} {}

    std::byte* const host_;
};

} // namespace vmm
