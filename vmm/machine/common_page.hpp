/// A page that shows up in the RAM of several guests: shared anonymous memory, mapped over theirs. Where RAM is a
/// file, it is the file's page that comes back, so that it is the same memory again in every mapping.
#pragma once

#include "hv/monitor/monitor_host.hpp"

#include <memory>
#include <mutex>
#include <vector>

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
    /// A guest's page, and another mapping of the shared memory that lies under this one there.
    struct Covered {
        std::byte* guest_page;
        std::byte* below;
    };

    explicit MappedCommonPage(std::byte* host) : host_{host} {}

    void remember_below(std::byte* guest_page);
    [[nodiscard]] std::byte* take_below(std::byte* guest_page);

    std::byte* const host_;
    std::mutex lock_; // the next
    std::vector<Covered> covered_;
};

} // namespace vmm
