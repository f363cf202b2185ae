/// A GPA overlay page (TLFS 2.0a §8.1.3): a page of the hypervisor's that covers a page of the guest while it is
/// enabled. What lay under it comes back when it is disabled or moved, and the overlay keeps its own content
/// meanwhile. Done by exchanging contents in place: cheaper than remapping, which would also break up the guest's
/// huge pages.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <cstddef>
#include <memory>

namespace hv {

class OverlayPage {
  public:
    using Content = std::array<std::byte, page_size>;

    /// Covers the page at `gpa`, uncovering the former place first. False, and covering nothing, when it is not RAM
    /// or the host is out of memory.
    bool map(GuestMemory const& memory, Gpa gpa);
    void unmap();

    /// The page as the guest sees it, or nullptr while it covers nothing.
    [[nodiscard]] std::byte* host() const { return host_; }

    /// Sets the content, whether mapped or not. Called while the partition is built; throws std::bad_alloc.
    void fill(Content const& content);
    /// Writes at its beginning, whether mapped or not. Ignored before the first `fill`. `size` in bytes, at most a
    /// page.
    void write(void const* from, std::size_t size);
    /// What `fill` has set, while it covers nothing.
    [[nodiscard]] Content own() const { return store_ ? store_->overlay : Content{}; }

    /// `memory` has been restored before: the page at `gpa` is this one, if it covered that, and not what lies under
    /// it. Throws std::bad_alloc.
    void visit(StateVisitor& visitor, GuestMemory const& memory, Gpa gpa);

  private:
    struct Store {
        alignas(8) Content overlay{};
        alignas(8) Content covered{};
    };

    /// nullptr when the host is out of memory.
    Store* store();

    std::unique_ptr<Store> store_; // made when first needed: most VPs never have most pages
    std::byte* host_ = nullptr;
};

} // namespace hv
