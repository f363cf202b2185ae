/// A guest's RAM: private anonymous memory, untouched pages of which cost nothing.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "vmm/base/memory_layout.hpp"

#include <cstddef>
#include <vector>

namespace vmm {

class GuestRam {
  public:
    /// Maps all RAM of the layout. Throws UserError when the host will not give that much.
    explicit GuestRam(MemoryLayout const& layout);
    GuestRam(GuestRam const&) = delete;
    GuestRam& operator=(GuestRam const&) = delete;
    ~GuestRam();

    [[nodiscard]] hv::GuestMemory const& memory() const { return memory_; }

  private:
    struct Mapping {
        void* start;
        std::size_t size;
    };

    std::vector<Mapping> mappings_;
    hv::GuestMemory memory_;
};

} // namespace vmm
