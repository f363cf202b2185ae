/// The area of XSAVE, between the standard form, in which the hypervisor below has it, and the compacted one, in
/// which parents do (Intel SDM vol. 1 §13.4).
#pragma once

#include "hv/child/cpuid_results.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace hv {

/// Bytes. No processor has more than 11 KiB.
inline constexpr std::size_t most_xsave_bytes = 16384;

/// What there is of it, by leaf 0xD of a VP.
class XsaveLayout {
  public:
    explicit XsaveLayout(std::span<CpuidEntry const> leaves);

    /// Components that XCR0 can have, x87 and SSE always.
    [[nodiscard]] std::uint64_t components() const { return components_; }
    /// The compacted form's, with all of them.
    [[nodiscard]] std::size_t most_bytes() const;

    /// `standard` has most_xsave_bytes. Of the components, those in `wanted`. Throws std::bad_alloc.
    [[nodiscard]] std::vector<std::byte> compacted(std::span<std::byte const> standard, std::uint64_t wanted) const;
    /// The same back; both forms are taken. What is not in it is in its initial state. Nothing when it is malformed:
    /// components that there are not, or that `compacted` is too short for. Throws std::bad_alloc.
    [[nodiscard]] std::optional<std::vector<std::byte>> standard(std::span<std::byte const> compacted) const;

  private:
    struct Component {
        unsigned number;
        std::size_t offset; ///< in the standard form
        std::size_t size;
        bool aligned; ///< to 64 bytes, in the compacted form
    };

    /// Calls `step` with each of those components, and where it lies in the compacted form.
    template <typename Step>
    void for_each(std::uint64_t components, Step const& step) const;

    std::uint64_t components_ = 0;
    std::vector<Component> extended_; ///< ascending; without x87 and SSE
};

/// As the one without values of XCR0 and XSS; of leaf 0xD with the size that the area has for them, in the standard
/// form and in the compacted one (§13.2).
[[nodiscard]] abi::CpuidValues find_leaf(std::span<CpuidEntry const> leaves, abi::CpuidLeafInfo const& leaf);

} // namespace hv
