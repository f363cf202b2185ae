/// A guest's RAM: a file in memory that nobody else can name, so that it can be mapped more than once and shared with
/// another process. Pages that nobody has touched cost nothing.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "vmm/base/memory_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace vmm {

class GuestRam {
  public:
    /// One range of the layout, where the host has it. A huge page of the guest's begins where one of the host's may.
    struct Range {
        MemoryRange guest;
        std::uint64_t offset; ///< in the file, bytes
        std::byte* host;      ///< stays mapped for the life of this object
    };

    /// Maps all RAM of the layout. Throws UserError when the host will not give that much.
    explicit GuestRam(MemoryLayout const& layout);
    GuestRam(GuestRam const&) = delete;
    GuestRam& operator=(GuestRam const&) = delete;

    [[nodiscard]] std::span<Range const> ranges() const { return ranges_; }

    /// The file, for another mapping (mmap with MAP_SHARED). Its size is sealed: a page that is mapped cannot go
    /// away.
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
