/// What every machine has in its guest-physical space: RAM, and around the MMIO hole what a PC keeps there.
#pragma once

#include "vmm/base/memory_layout.hpp"
#include "vmm/memory/address_space.hpp"
#include "vmm/memory/guest_ram.hpp"
#include "vmm/memory/video_memory.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace vmm {

class PcMemory {
  public:
    /// Throws UserError when the host will not give that much.
    explicit PcMemory(MemoryLayout const& layout);

    /// Shows the guest this memory too, at the beginning of what VMBus devices share out among themselves. Once,
    /// before the guest runs. Throws UserError.
    void add_video(std::shared_ptr<VideoMemory> memory);
    /// Has it lie there from now on. False, and it stays where it is, when not all of it would lie in pages that are
    /// VMBus devices', or the hypervisor below cannot map it there. One thread at a time.
    [[nodiscard]] bool place_video(std::uint64_t address);
    /// Where it lies; 0 where there is none. From any thread.
    [[nodiscard]] std::uint64_t video_address() const { return video_at_.load(); }

    [[nodiscard]] AddressSpace& space() { return space_; }
    /// RAM of the layout, whatever lies over it; `gpa` is in it.
    [[nodiscard]] std::byte* ram_at(hv::Gpa gpa) const;
    /// All that there is and may come.
    [[nodiscard]] std::uint64_t ram_pages() const;
    /// Lets the guest have the hot-add range from its start up to so many bytes, a multiple of layout::hot_add_block;
    /// never less than before. Not from two threads at once. Throws HypervisorError.
    void add_ram(std::uint64_t bytes);
    /// Gives the host back what lies there, which becomes zeros. False, and it stays, unless all of it is RAM and
    /// nothing lies over it.
    [[nodiscard]] bool discard(MemoryRange const& range) const;
    /// The model's view of it.
    [[nodiscard]] hv::GuestMemory const& memory() const { return space_.memory(); }

  private:
    MemoryRange const hot_add_;
    GuestRam ram_;
    std::shared_ptr<VideoMemory> video_;
    AddressSpace space_;
    std::vector<AddressSpace::Claim> claims_;
    AddressSpace::Claim video_claim_;
    std::atomic<std::uint64_t> video_at_{0};
    std::uint64_t added_ = 0; ///< bytes of the hot-add range
};

} // namespace vmm
