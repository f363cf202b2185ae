/// A guest's page tables, walked as a processor does (Intel SDM vol. 3 chapter 4; AMD APM vol. 2 chapter 5). They are
/// the guest's, which may change them meanwhile. Protection keys and shadow stacks are not looked at.
#pragma once

#include "hv/abi/child_access.hpp"
#include "hv/abi/types.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/child/gpa_map.hpp"

#include <cstdint>
#include <optional>

namespace hv {

struct PagingRegisters {
    std::uint64_t cr0 = 0;
    std::uint64_t cr3 = 0;
    std::uint64_t cr4 = 0;
    std::uint64_t efer = 0;
    std::uint64_t pat = 0x0007'0406'0007'0406; ///< as after a reset
    unsigned physical_bits = 52;               ///< of an address; in tables those above are reserved
};

/// The pages that tables lie in.
class PageSource {
  public:
    struct Page {
        bool mapped = false;
        GpaAccess access = GpaAccess::None;
        std::byte* host = nullptr; ///< of what can be read: page aligned, as long as the walk takes
    };

    PageSource() = default;
    PageSource(PageSource const&) = delete;
    PageSource& operator=(PageSource const&) = delete;
    virtual ~PageSource() = default;

    /// By its number.
    [[nodiscard]] virtual Page find(std::uint64_t page) const = 0;
};

/// What the walk is for. An access that is none of the three may be done by anybody.
struct AccessIntent {
    enum class Privilege : std::uint8_t {
        User,
        Supervisor,
        Exempt, ///< a supervisor that user pages are not kept from
    };

    bool read = false;
    bool write = false;
    bool execute = false;
    Privilege privilege = Privilege::Exempt;
    bool smap = false;      ///< CR4.SMAP counts for a supervisor's access to data
    bool set_marks = false; ///< the bits Accessed and Dirty, as the walk comes by; they stay when it fails
};

struct Translation {
    abi::GvaResult code;
    Gpa gpa{};              ///< of a success; of a failure to access a table, somewhere in its page
    abi::CacheType cache{}; ///< of a success
};

/// Nothing when marks were to be set in entries that changed each time.
[[nodiscard]] std::optional<Translation> translate(PageSource const& pages, PagingRegisters const& registers,
                                                   std::uint64_t linear, AccessIntent const& intent);

/// Where a linear address lies; nothing when it is not mapped, or a table is not in `memory`.
[[nodiscard]] std::optional<Gpa> walk(GuestMemory const& memory, PagingRegisters const& registers,
                                      std::uint64_t linear);

} // namespace hv
