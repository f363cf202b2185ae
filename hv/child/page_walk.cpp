#include "hv/child/page_walk.hpp"

namespace hv {

namespace {

using abi::CacheType;
using abi::GvaResult;

constexpr unsigned page_shift = 12;
constexpr std::uint64_t low_32_bits = 0xFFFF'FFFF;

constexpr std::uint64_t cr0_write_protect = 1U << 16;
constexpr std::uint64_t cr0_cache_disable = 1U << 30;
constexpr std::uint64_t cr0_paging = 1U << 31;
constexpr std::uint64_t cr4_pse = 1U << 4;
constexpr std::uint64_t cr4_pae = 1U << 5;
constexpr std::uint64_t cr4_la57 = 1U << 12;
constexpr std::uint64_t cr4_smep = 1U << 20;
constexpr std::uint64_t cr4_smap = 1U << 21;
constexpr std::uint64_t efer_lma = 1U << 10;
constexpr std::uint64_t efer_nxe = 1U << 11;

constexpr std::uint64_t present = 1U << 0;
constexpr std::uint64_t writable = 1U << 1;
constexpr std::uint64_t user = 1U << 2;
constexpr std::uint64_t write_through = 1U << 3;
constexpr std::uint64_t cache_disable = 1U << 4;
constexpr std::uint64_t accessed = 1U << 5;
constexpr std::uint64_t dirty = 1U << 6;
constexpr std::uint64_t large = 1U << 7; ///< in the last level: the bit PAT
constexpr std::uint64_t large_pat = 1U << 12;
constexpr std::uint64_t no_execute = std::uint64_t{1} << 63;
constexpr std::uint64_t address_mask = 0x000F'FFFF'FFFF'F000;

/// Bits `from` to 51 of an entry.
constexpr std::uint64_t address_bits_from(unsigned from)
{
    return from >= 52 ? 0 : address_mask & ~((std::uint64_t{1} << from) - 1);
}

enum class Mode : std::uint8_t { Narrow, Pae, Long };

/// One walk. An entry is `Narrow` with 4 bytes, else 8.
class Walk {
  public:
    Walk(PageSource const& pages, PagingRegisters const& registers, std::uint64_t linear, AccessIntent const& intent)
        : pages_{pages}, registers_{registers}, linear_{linear}, intent_{intent}, mode_{mode_of(registers)}
    {}

    /// Nothing when an entry has changed that was to be marked.
    [[nodiscard]] std::optional<Translation> run();

  private:
    struct Entry {
        std::uint64_t value = 0;
        Gpa at{};
        std::byte* host = nullptr;
        bool can_mark = false;
    };

    enum class Marked : std::uint8_t { Done, Refused, Changed };

    [[nodiscard]] static Mode mode_of(PagingRegisters const& registers)
    {
        if ((registers.efer & efer_lma) != 0) return Mode::Long;
        return (registers.cr4 & cr4_pae) != 0 ? Mode::Pae : Mode::Narrow;
    }
    [[nodiscard]] unsigned levels() const;
    [[nodiscard]] bool in_range() const;
    [[nodiscard]] std::uint64_t first_table() const;
    [[nodiscard]] unsigned shift(unsigned level) const
    {
        return page_shift + (mode_ == Mode::Narrow ? 10U : 9U) * (level - 1);
    }
    /// The four pointers of PAE paging, which have neither rights nor marks (Intel SDM §4.4.1).
    [[nodiscard]] bool is_pointer(unsigned level) const { return mode_ == Mode::Pae && level == 3; }

    [[nodiscard]] std::optional<GvaResult> read(std::uint64_t table, unsigned level, Entry& entry) const;
    [[nodiscard]] bool is_leaf(std::uint64_t entry, unsigned level) const;
    [[nodiscard]] std::uint64_t reserved(std::uint64_t entry, unsigned level, bool leaf) const;
    void restrict_by(std::uint64_t entry);
    [[nodiscard]] bool permitted() const;
    [[nodiscard]] Marked mark(Entry const& entry, std::uint64_t bits) const;
    [[nodiscard]] Translation found(std::uint64_t entry, unsigned level) const;
    [[nodiscard]] CacheType cache(std::uint64_t entry, unsigned level) const;

    PageSource const& pages_;
    PagingRegisters const& registers_;
    std::uint64_t const linear_;
    AccessIntent const& intent_;
    Mode const mode_;
    bool writable_ = true; ///< these as all levels so far allow it
    bool user_ = true;
    bool executable_ = true;
};

unsigned Walk::levels() const
{
    if (mode_ == Mode::Narrow) return 2;
    if (mode_ == Mode::Pae) return 3;
    return (registers_.cr4 & cr4_la57) != 0 ? 5 : 4;
}

bool Walk::in_range() const
{
    if (mode_ != Mode::Long) return linear_ <= low_32_bits;
    auto const unused = 64 - shift(levels() + 1);
    auto const extended = static_cast<std::int64_t>(linear_ << unused) >> unused;
    return static_cast<std::uint64_t>(extended) == linear_;
}

std::uint64_t Walk::first_table() const
{
    switch (mode_) {
    case Mode::Narrow: return registers_.cr3 & 0xFFFF'F000;
    case Mode::Pae: return registers_.cr3 & 0xFFFF'FFE0;
    case Mode::Long: break;
    }
    return registers_.cr3 & address_mask;
}

/// Why it cannot be read, if so; `entry.at` is there then too.
std::optional<GvaResult> Walk::read(std::uint64_t table, unsigned level, Entry& entry) const
{
    auto const size = mode_ == Mode::Narrow ? 4U : 8U;
    auto const mask = is_pointer(level) ? 3U : page_size / size - 1;
    entry.at = Gpa{table + (linear_ >> shift(level) & mask) * size};
    auto const page = pages_.find(entry.at.value >> page_shift);
    if (!page.mapped) return GvaResult::GpaUnmapped;
    if (page.access == GpaAccess::None || !page.host) return GvaResult::GpaNoReadAccess;
    entry.host = page.host + entry.at.value % page_size;
    entry.can_mark = page.access == GpaAccess::ReadWrite;
    entry.value = size == 4 ? __atomic_load_n(reinterpret_cast<std::uint32_t const*>(entry.host), __ATOMIC_RELAXED)
                            : __atomic_load_n(reinterpret_cast<std::uint64_t const*>(entry.host), __ATOMIC_RELAXED);
    return std::nullopt;
}

bool Walk::is_leaf(std::uint64_t entry, unsigned level) const
{
    if (level == 1) return true;
    if ((entry & large) == 0 || level > 3 || is_pointer(level)) return false;
    return mode_ != Mode::Narrow || (registers_.cr4 & cr4_pse) != 0;
}

/// Those bits that must be clear and are not.
std::uint64_t Walk::reserved(std::uint64_t entry, unsigned level, bool leaf) const
{
    bool const maps_large = leaf && level > 1;
    if (mode_ == Mode::Narrow) { // PSE-36: bits 20:13 are address bits 39:32
        constexpr unsigned high_bits_at = 13;
        if (!maps_large) return 0;
        auto const high = (entry >> high_bits_at & 0xFF) << 32;
        return (entry & 1U << 21) | (high & address_bits_from(registers_.physical_bits));
    }
    auto mask = address_bits_from(registers_.physical_bits);
    if (is_pointer(level)) return entry & (mask | 0xFFF0'0000'0000'0000 | 0x1E6);
    if ((registers_.efer & efer_nxe) == 0) mask |= no_execute;
    if (mode_ == Mode::Pae) mask |= 0x7FF0'0000'0000'0000;
    if (level > 3) mask |= large;
    if (maps_large) mask |= ((std::uint64_t{1} << shift(level)) - 1) & address_mask & ~large_pat;
    return entry & mask;
}

void Walk::restrict_by(std::uint64_t entry)
{
    writable_ = writable_ && (entry & writable) != 0;
    user_ = user_ && (entry & user) != 0;
    executable_ = executable_ && (mode_ == Mode::Narrow || (entry & no_execute) == 0);
}

/// Intel SDM vol. 3 §4.6.
bool Walk::permitted() const
{
    using enum AccessIntent::Privilege;
    bool const data = intent_.read || intent_.write;
    if (intent_.execute && !executable_) return false;
    if (intent_.privilege == User) return (user_ || !(data || intent_.execute)) && (writable_ || !intent_.write);
    if (intent_.write && !writable_ && (registers_.cr0 & cr0_write_protect) != 0) return false;
    if (intent_.privilege == Exempt || !user_) return true;
    if (intent_.execute && (registers_.cr4 & cr4_smep) != 0) return false;
    return !(data && intent_.smap && (registers_.cr4 & cr4_smap) != 0);
}

Walk::Marked Walk::mark(Entry const& entry, std::uint64_t bits) const
{
    if (!intent_.set_marks || (entry.value & bits) == bits) return Marked::Done;
    if (!entry.can_mark) return Marked::Refused;
    auto const exchange = [&]<typename Word>(Word expected) {
        return __atomic_compare_exchange_n(reinterpret_cast<Word*>(entry.host), &expected,
                                           static_cast<Word>(expected | bits), false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_RELAXED);
    };
    bool const done =
        mode_ == Mode::Narrow ? exchange(static_cast<std::uint32_t>(entry.value)) : exchange(entry.value);
    return done ? Marked::Done : Marked::Changed;
}

CacheType Walk::cache(std::uint64_t entry, unsigned level) const
{
    constexpr std::uint64_t uncached_minus = 7;
    constexpr unsigned bits_a_type = 8;
    if ((registers_.cr0 & cr0_cache_disable) != 0) return CacheType::Uncached;
    auto const pat = level == 1 ? large : large_pat;
    auto const index = ((entry & write_through) != 0 ? 1U : 0U) | ((entry & cache_disable) != 0 ? 2U : 0U) |
                       ((entry & pat) != 0 ? 4U : 0U);
    auto const type = registers_.pat >> bits_a_type * index & 7;
    return type == uncached_minus ? CacheType::Uncached : static_cast<CacheType>(type);
}

Translation Walk::found(std::uint64_t entry, unsigned level) const
{
    auto const below = (std::uint64_t{1} << shift(level)) - 1;
    auto address = entry & address_mask & ~below;
    if (mode_ == Mode::Narrow) {
        constexpr unsigned high_bits_at = 13;
        address = entry & low_32_bits & ~below;
        if (level > 1) address |= (entry >> high_bits_at & 0xFF) << 32;
    }
    return {GvaResult::Success, Gpa{address | (linear_ & below)}, cache(entry, level)};
}

std::optional<Translation> Walk::run()
{
    if (!in_range()) return Translation{GvaResult::PageNotPresent};
    auto table = first_table();
    for (auto level = levels();; --level) {
        Entry entry;
        if (auto const refused = read(table, level, entry)) return Translation{*refused, entry.at};
        if ((entry.value & present) == 0) return Translation{GvaResult::PageNotPresent};
        bool const leaf = is_leaf(entry.value, level);
        if (reserved(entry.value, level, leaf) != 0) return Translation{GvaResult::InvalidPageTableFlags};
        if (!is_pointer(level)) {
            restrict_by(entry.value);
            if (leaf && !permitted()) return Translation{GvaResult::PrivilegeViolation};
            auto const marked = mark(entry, accessed | (leaf && intent_.write ? dirty : 0));
            if (marked == Marked::Refused) return Translation{GvaResult::GpaNoWriteAccess, entry.at};
            if (marked == Marked::Changed) return std::nullopt;
        }
        if (leaf) return found(entry.value, level);
        table = entry.value & (mode_ == Mode::Narrow ? 0xFFFF'F000 : address_mask);
    }
}

/// Guest memory: what is in it can be read and written.
class AllOf final : public PageSource {
  public:
    explicit AllOf(GuestMemory const& memory) : memory_{memory} {}

    [[nodiscard]] Page find(std::uint64_t page) const override
    {
        auto* const host = memory_.page(Gpa{page << page_shift});
        return {host != nullptr, GpaAccess::ReadWrite, host};
    }

  private:
    GuestMemory const& memory_;
};

} // namespace

std::optional<Translation> translate(PageSource const& pages, PagingRegisters const& registers, std::uint64_t linear,
                                     AccessIntent const& intent)
{
    constexpr unsigned most_walks = 16;
    if ((registers.cr0 & cr0_paging) == 0) {
        bool const caches = (registers.cr0 & cr0_cache_disable) == 0;
        return Translation{GvaResult::Success, Gpa{linear & low_32_bits},
                           caches ? CacheType::WriteBack : CacheType::Uncached};
    }
    for (unsigned walks = 0; walks < most_walks; ++walks)
        if (auto const result = Walk{pages, registers, linear, intent}.run()) return result;
    return std::nullopt;
}

std::optional<Gpa> walk(GuestMemory const& memory, PagingRegisters const& registers, std::uint64_t linear)
{
    if ((registers.cr0 & cr0_paging) != 0 && (registers.efer & efer_lma) == 0) linear &= low_32_bits;
    auto const result = translate(AllOf{memory}, registers, linear, {});
    if (!result || result->code != GvaResult::Success) return std::nullopt;
    return result->gpa;
}

} // namespace hv
