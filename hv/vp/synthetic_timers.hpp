/// The four synthetic timers of one VP (TLFS 2.0a §15.3; 6.0b §12.5 for direct mode). Used by that VP's own thread
/// only, so that arming one costs no lock.
#pragma once

#include "hv/abi/registers.hpp"
#include "hv/base/acceleration.hpp"
#include "hv/base/inspect.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/base/state.hpp"
#include "hv/synic/synic.hpp"
#include "hv/time/reference_time.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <tuple>

namespace hv {

class SyntheticTimers {
  public:
    static constexpr unsigned count = 4;

    /// `acceleration` may be nullptr.
    SyntheticTimers(ReferenceTime const& time, Synic& synic, VpControl& control, Acceleration* acceleration);

    [[nodiscard]] std::uint64_t config(unsigned timer) const;
    [[nodiscard]] std::uint64_t expiry(unsigned timer) const { return timers_[timer].count; }
    /// Both answer false for a value that must raise #GP. `direct_offered`: CPUID offers direct mode.
    [[nodiscard]] bool set_config(unsigned timer, std::uint64_t value, bool direct_offered);
    void set_count(unsigned timer, std::uint64_t value);

    void inspect(Inspector& inspector) const;

    /// Messages that wait are the SynIC's to save; each has its buffer here. On the VP's own thread, or before that
    /// runs.
    void visit(StateVisitor& visitor);
    [[nodiscard]] MessageBuffer* buffer(unsigned timer) { return timer < count ? &timers_[timer].message : nullptr; }

    /// Sends what is due and arms the next deadline. Spurious calls are harmless.
    void expire();
    /// Reference time may have been another one when timers were started.
    void clock_moved();

  private:
    struct Timer {
        abi::StimerConfig config;
        std::uint64_t count = 0;     ///< the COUNT register: an absolute time, or a period
        std::optional<RefTime> next; ///< when it expires, while it runs here
        bool is_accelerated = false; ///< Acceleration was asked to run it, and since then nothing else
        MessageBuffer message;
    };

    /// A timer as the guest has set it.
    struct Setting {
        std::uint64_t config = 0;
        std::uint64_t count = 0;
        bool runs_here = false;
        std::uint64_t next = 0; ///< when it expires, while it runs here

        static constexpr auto fields()
        {
            return std::tuple{StateField{"config", &Setting::config}, StateField{"count", &Setting::count},
                              StateField{"runs_here", &Setting::runs_here}, StateField{"next", &Setting::next}};
        }
    };

    [[nodiscard]] Setting setting(unsigned index) const;
    void restore(unsigned index, Setting const& setting);
    void start(unsigned index);
    [[nodiscard]] bool accelerate(unsigned index);
    void fire(unsigned index, RefTime now, PendingInterrupts& pending);
    void schedule_next_period(Timer& timer, RefTime now) const;
    void rearm();

    ReferenceTime const& time_;
    Synic& synic_;
    VpControl& control_;
    Acceleration* const acceleration_;
    std::array<Timer, count> timers_{};
    std::optional<RefTime> armed_;
};

} // namespace hv
