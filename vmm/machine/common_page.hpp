/// A page that shows up in the RAM of several guests: shared anonymous memory, mapped over theirs. Where RAM is a
/// file, it is the file's page that comes back, so that it is the same memory again in every mapping.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "hv/monitor/monitor_host.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace vmm {

/// What the kernel says of this process's pages, kept open: the threads that ask may open nothing.
class PageMap {
  public:
    PageMap();

    /// Whether the page is a file's and not this process's own: only such a one can be mapped a second time, and the
    /// kernel complains in its log of an attempt with another (Linux Documentation/admin-guide/mm/pagemap.rst, bit
    /// 61, of a page that is present).
    [[nodiscard]] bool is_a_files(std::byte const* page) const;

  private:
    devices::UniqueFd const file_;
};

class MappedCommonPage final : public hv::CommonPage {
  public:
    /// nullptr when the host has no memory. `page_map` must outlive it.
    [[nodiscard]] static std::unique_ptr<MappedCommonPage> make(PageMap const& page_map);
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

    MappedCommonPage(PageMap const& page_map, std::byte* host) : page_map_{page_map}, host_{host} {}

    void remember_below(std::byte* guest_page);
    [[nodiscard]] std::byte* take_below(std::byte* guest_page);

    PageMap const& page_map_;
    std::byte* const host_;
    std::mutex lock_; // the next
    std::vector<Covered> covered_;
};

} // namespace vmm
