#include "hv/child/xsave_area.hpp"

#include <algorithm>
#include <cstring>

namespace hv {

namespace {

constexpr std::uint32_t xsave_leaf = 0xD;
constexpr std::uint64_t x87_and_sse = 3;
constexpr std::size_t legacy_bytes = 512;
constexpr std::size_t header_bytes = 64;
constexpr std::size_t fixed_bytes = legacy_bytes + header_bytes;
constexpr std::size_t in_use_at = legacy_bytes;         ///< XSTATE_BV
constexpr std::size_t compaction_at = legacy_bytes + 8; ///< XCOMP_BV
constexpr std::uint64_t is_compacted = std::uint64_t{1} << 63;
constexpr unsigned most_components = 63; ///< bit 63 is no component
constexpr unsigned first_extended = 2;   ///< behind x87 and SSE

std::uint64_t word_at(std::span<std::byte const> area, std::size_t offset)
{
    std::uint64_t word = 0;
    std::memcpy(&word, area.data() + offset, sizeof word);
    return word;
}

void put_word(std::span<std::byte> area, std::size_t offset, std::uint64_t word)
{
    std::memcpy(area.data() + offset, &word, sizeof word);
}

/// Of a component's leaf: whether it begins at a multiple of 64 bytes in the compacted form.
bool is_aligned(abi::CpuidValues const& leaf)
{
    constexpr std::uint32_t ecx_aligned = 1U << 1;
    return (leaf.ecx & ecx_aligned) != 0;
}

/// Where a component begins in the compacted form whose parts before it end there.
std::size_t begin_of(bool aligned, std::size_t end)
{
    constexpr std::size_t alignment = 64;
    return aligned ? (end + alignment - 1) & ~(alignment - 1) : end;
}

/// The bytes of the area with these components, also of those that XSS has.
std::size_t area_size(std::span<CpuidEntry const> leaves, std::uint64_t components, bool compacted)
{
    auto size = fixed_bytes;
    for (auto n = first_extended; n < most_components; ++n) {
        if ((components >> n & 1) == 0) continue;
        auto const leaf = find_leaf(leaves, xsave_leaf, n);
        size = compacted ? begin_of(is_aligned(leaf), size) + leaf.eax
                         : std::max(size, std::size_t{leaf.ebx} + leaf.eax);
    }
    return size;
}

} // namespace

XsaveLayout::XsaveLayout(std::span<CpuidEntry const> leaves)
{
    auto const all = find_leaf(leaves, xsave_leaf, 0);
    components_ = (all.eax | std::uint64_t{all.edx} << 32 | x87_and_sse) & ~is_compacted;
    for (auto n = first_extended; n < most_components; ++n) {
        if ((components_ >> n & 1) == 0) continue;
        auto const leaf = find_leaf(leaves, xsave_leaf, n);
        bool const fits = leaf.ebx >= fixed_bytes && leaf.ebx <= most_xsave_bytes && leaf.eax != 0 &&
                          leaf.eax <= most_xsave_bytes - leaf.ebx;
        if (fits)
            extended_.push_back({n, leaf.ebx, leaf.eax, is_aligned(leaf)});
        else
            components_ &= ~(std::uint64_t{1} << n);
    }
}

template <typename Step>
void XsaveLayout::for_each(std::uint64_t components, Step const& step) const
{
    auto at = fixed_bytes;
    for (auto const& component : extended_) {
        if ((components >> component.number & 1) == 0) continue;
        at = begin_of(component.aligned, at);
        step(component, at);
        at += component.size;
    }
}

std::size_t XsaveLayout::most_bytes() const
{
    auto bytes = fixed_bytes;
    for_each(components_, [&](Component const& component, std::size_t at) { bytes = at + component.size; });
    return bytes;
}

std::vector<std::byte> XsaveLayout::compacted(std::span<std::byte const> standard, std::uint64_t wanted) const
{
    wanted &= components_;
    std::vector<std::byte> out(fixed_bytes);
    std::ranges::copy(standard.first(fixed_bytes), out.begin());
    auto const in_use = word_at(standard, in_use_at) & wanted;
    put_word(out, in_use_at, in_use);
    put_word(out, compaction_at, wanted | is_compacted);
    for_each(wanted, [&](Component const& component, std::size_t at) {
        out.resize(at + component.size);
        if ((in_use >> component.number & 1) != 0)
            std::ranges::copy(standard.subspan(component.offset, component.size), out.begin() + std::ptrdiff_t(at));
    });
    return out;
}

std::optional<std::vector<std::byte>> XsaveLayout::standard(std::span<std::byte const> compacted) const
{
    if (compacted.size() < fixed_bytes) return std::nullopt;
    auto const in_use = word_at(compacted, in_use_at);
    auto const compaction = word_at(compacted, compaction_at);
    bool const compact = (compaction & is_compacted) != 0;
    auto const present = compact ? compaction & ~is_compacted : components_;
    if ((present & ~components_) != 0 || (in_use & ~present) != 0 || (!compact && compaction != 0))
        return std::nullopt;

    std::vector<std::byte> out(most_xsave_bytes);
    std::ranges::copy(compacted.first(fixed_bytes), out.begin());
    put_word(out, compaction_at, 0);
    bool fits = true;
    for_each(present, [&](Component const& component, std::size_t at) {
        if ((in_use >> component.number & 1) == 0) return;
        auto const from = compact ? at : component.offset;
        fits = fits && from + component.size <= compacted.size();
        if (fits)
            std::ranges::copy(compacted.subspan(from, component.size),
                              out.begin() + std::ptrdiff_t(component.offset));
    });
    if (!fits) return std::nullopt;
    return out;
}

abi::CpuidValues find_leaf(std::span<CpuidEntry const> leaves, abi::CpuidLeafInfo const& leaf)
{
    auto values = find_leaf(leaves, leaf.function, leaf.index);
    if (leaf.function != xsave_leaf) return values;
    if (leaf.index == 0) values.ebx = static_cast<std::uint32_t>(area_size(leaves, leaf.xfem, false));
    if (leaf.index == 1) values.ebx = static_cast<std::uint32_t>(area_size(leaves, leaf.xfem | leaf.xss, true));
    return values;
}

} // namespace hv
