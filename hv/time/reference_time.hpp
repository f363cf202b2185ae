/// Partition reference time (TLFS 2.0a §15.2, §15.4): 100 ns units since the partition was made. The counter MSR and
/// the reference TSC page are one clock, because both apply one formula to one TSC.
#pragma once

#include "hv/abi/registers.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/base/state.hpp"

namespace hv {

class ReferenceTime {
  public:
    /// Starts at zero at the clock's present TSC.
    explicit ReferenceTime(Clock const& clock);

    [[nodiscard]] RefTime now() const { return at(clock_.guest_tsc()); }
    [[nodiscard]] RefTime at(std::uint64_t tsc) const
    {
        return RefTime{scaled(tsc) + static_cast<std::uint64_t>(page_.offset)};
    }
    /// What the reference TSC page shows.
    [[nodiscard]] abi::ReferenceTscPage const& page() const { return page_; }
    [[nodiscard]] Clock const& clock() const { return clock_; }

    /// Goes on from what it was. The page has another sequence then: a guest that was reading it reads it again.
    void visit(StateVisitor& visitor);

  private:
    [[nodiscard]] std::uint64_t scaled(std::uint64_t tsc) const
    {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>((static_cast<Wide>(tsc) * page_.scale) >> 64);
    }

    Clock const& clock_;
    abi::ReferenceTscPage page_;
};

} // namespace hv
