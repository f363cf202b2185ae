/// Partition reference time (TLFS 2.0a §15.2, §15.4): 100 ns units since the partition was made. The counter MSR and
/// the reference TSC page are one clock, because both apply one formula to one TSC.
#pragma once

#include "hv/abi/registers.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/base/state.hpp"

#include <atomic>
#include <cstdint>

namespace hv {

class ReferenceTime {
  public:
    /// Starts at zero at the clock's present TSC.
    explicit ReferenceTime(Clock const& clock);

    [[nodiscard]] RefTime now() const { return at(clock_.guest_tsc()); }
    [[nodiscard]] RefTime at(std::uint64_t tsc) const
    {
        return RefTime{scaled(tsc) + static_cast<std::uint64_t>(offset_.load(std::memory_order_relaxed))};
    }
    /// What the reference TSC page shows.
    [[nodiscard]] abi::ReferenceTscPage page() const { return {sequence_, 0, scale_, offset_}; }
    [[nodiscard]] Clock const& clock() const { return clock_; }

    /// The clock's TSC has become another one: goes on from here. The page has another sequence then, so that a guest
    /// that was reading it reads it again. One call at a time; who asks for the time meanwhile may get a wrong one.
    void go_on_from(RefTime reached);
    /// Goes on from what it was.
    void visit(StateVisitor& visitor);

  private:
    [[nodiscard]] std::uint64_t scaled(std::uint64_t tsc) const
    {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>((static_cast<Wide>(tsc) * scale_) >> 64);
    }

    Clock const& clock_;
    std::uint64_t const scale_;
    std::atomic<std::int64_t> offset_;
    std::atomic<std::uint32_t> sequence_{1};
};

} // namespace hv
