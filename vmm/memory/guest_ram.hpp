/// A guest's RAM. Pages that nobody has touched cost nothing.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "vmm/base/memory_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vmm {

enum class RamSharing {
    WhenFree, ///< where the guest loses no huge pages by it
    Always,
};

/// Whether Linux has huge pages for private memory, as advised, but none for files in memory: few administrators have
/// set shmem_enabled (Documentation/admin-guide/mm/transhuge.rst), whose default is "never". `folder` is that of the
/// two settings.
[[nodiscard]] bool files_lack_huge_pages(std::string const& folder = "/sys/kernel/mm/transparent_hugepage");

/// Shared, it is a file in memory that nobody else can name: it can be mapped more than once, and handed to another
/// process. Otherwise it is private memory.
class GuestRam {
  public:
    /// One range of the layout, where the host has it. A huge page of the guest's begins where one of the host's may.
    struct Range {
        MemoryRange guest;
        std::uint64_t offset; ///< in the file, if there is one; bytes
        std::byte* host;      ///< stays mapped for the life of this object
    };

    /// Maps all RAM of the layout. Throws UserError when the host will not give that much.
    explicit GuestRam(MemoryLayout const& layout, RamSharing sharing = RamSharing::WhenFree);
    GuestRam(GuestRam const&) = delete;
    GuestRam& operator=(GuestRam const&) = delete;

    /// What the guest has at its start, then where more may come to lie, if the layout has that.
    [[nodiscard]] std::span<Range const> ranges() const { return ranges_; }

    /// Gives memory of a range back to the host: whole pages, which have zeros from now on. False when the host
    /// does not take it. From any thread, also while the guest uses it.
    [[nodiscard]] bool discard(std::byte* first, std::uint64_t bytes) const;

    /// The file, for another mapping (mmap with MAP_SHARED), or -1. Its size is sealed: a page that is mapped cannot
    /// go away.
    [[nodiscard]] int fd() const { return file_.get(); }

  private:
    struct Unmap {
        std::size_t size;
        void operator()(std::byte* start) const;
    };
    using Mapping = std::unique_ptr<std::byte, Unmap>;

    [[nodiscard]] static Mapping reserve(std::uint64_t bytes);

    devices::UniqueFd const file_;
    std::vector<Mapping> mappings_;
    std::vector<Range> ranges_;
};

} // namespace vmm
