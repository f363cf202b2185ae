/// What every machine has in its guest-physical space: RAM, and around the MMIO hole what a PC keeps there.
#pragma once

#include "vmm/base/memory_layout.hpp"
#include "vmm/memory/address_space.hpp"
#include "vmm/memory/guest_ram.hpp"

#include <vector>

namespace vmm {

class PcMemory {
  public:
    /// Throws UserError when the host will not give that much.
    explicit PcMemory(MemoryLayout const& layout);

    [[nodiscard]] AddressSpace& space() { return space_; }
    /// RAM of the layout, whatever lies over it; `gpa` is in it.
    [[nodiscard]] std::byte* ram_at(hv::Gpa gpa) const;
    /// The model's view of it.
    [[nodiscard]] hv::GuestMemory const& memory() const { return space_.memory(); }

  private:
    GuestRam ram_;
    AddressSpace space_;
    std::vector<AddressSpace::Claim> claims_;
};

} // namespace vmm
