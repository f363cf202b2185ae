/// What a hypervisor below may do for a VP by itself, so that it needs no exit. Optional: without it the model does
/// all of this, and the guest sees no difference but time.
#pragma once

#include "hv/abi/types.hpp"

#include <cstdint>
#include <optional>

namespace hv {

/// Of one VP, called from that VP's own thread.
class Acceleration {
  public:
    Acceleration() = default;
    Acceleration(Acceleration const&) = delete;
    Acceleration& operator=(Acceleration const&) = delete;
    virtual ~Acceleration() = default;

    /// Has the vector asserted on the VP once, at `when` or soon after it, instead of what was asked before for this
    /// synthetic timer. False: it cannot, and what was asked before for this timer still holds.
    [[nodiscard]] virtual bool start_direct_timer(unsigned timer, std::uint8_t vector, RefTime when) = 0;
    /// Of one that was started, or may have been by who had the VP before.
    virtual void stop_direct_timer(unsigned timer) = 0;
    /// Whether a timer that was started has its vector still to assert.
    [[nodiscard]] virtual bool direct_timer_runs(unsigned timer) const = 0;

    /// The guest has written GUEST_OS_ID.
    virtual void guest_os_identified(std::uint64_t id) = 0;
    /// The reference TSC page, with its content, covers this page from now on.
    virtual void reference_tsc_page_enabled(Gpa page) = 0;
    /// Reference time has become another function of the TSC, which this page shows, if it is somewhere.
    virtual void reference_time_moved(std::optional<Gpa> page) = 0;
    /// The VP's TSC has become another one. What was started runs by a clock that may be wrong.
    virtual void tsc_moved() = 0;
    /// Where the VP's assist page is from now on, if it has one and the guest is offered the APIC's MSRs. It is told
    /// of none before the page moves.
    virtual void assist_page_at(std::optional<Gpa> page) = 0;
    /// The guest has asked to see its TSC as invariant, or not (TSC_INVARIANT_CONTROL bit 0).
    virtual void expose_invariant_tsc(bool on) = 0;
};

} // namespace hv
