/// What CPUID tells a child in place of what its machine has (HvCallRegisterInterceptResult).
#pragma once

#include "hv/abi/intercept_result.hpp"
#include "hv/abi/status.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hv {

/// One leaf, or one subleaf where the index counts.
struct CpuidEntry {
    std::uint32_t function = 0;
    std::uint32_t index = 0;
    bool has_index = false;
    abi::CpuidValues values{};

    friend bool operator==(CpuidEntry const&, CpuidEntry const&) = default;
};

/// All of the leaf's `values`; zeroes when there is no such leaf.
[[nodiscard]] abi::CpuidValues find_leaf(std::span<CpuidEntry const> leaves, std::uint32_t function,
                                         std::uint32_t index);

/// Used by one thread at a time.
class CpuidResults {
  public:
    static constexpr std::size_t most = 256;

    /// In place of one of the same name. NoResources: there are as many as may be. Throws std::bad_alloc.
    [[nodiscard]] Status add(abi::CpuidResult const& result);
    /// InvalidParameter: there is none of this name.
    [[nodiscard]] Status remove(abi::CpuidResultName const& name);

    /// `leaves` with them, in the order of their registration. Whether a child can run guests of its own is not for
    /// its parent to say. Throws std::bad_alloc.
    [[nodiscard]] std::vector<CpuidEntry> applied_to(std::vector<CpuidEntry> leaves) const;
    [[nodiscard]] bool empty() const { return results_.empty(); }

  private:
    std::vector<abi::CpuidResult> results_;
};

} // namespace hv
