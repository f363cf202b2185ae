/// The time synchronisation service: the guest's clock is set when it starts and after the host's has jumped, and may
/// be steered by a sample every five seconds.
#pragma once

#include "devices/vmbus/services/service.hpp"

#include <cstdint>

namespace devices::vmbus {

/// The host's clocks and the guest's reference time, as good as at the same moment.
struct TimeReading {
    std::chrono::nanoseconds wall{};      ///< UTC since 1970
    std::chrono::nanoseconds boot{};      ///< goes on while the host sleeps
    std::chrono::nanoseconds monotonic{}; ///< does not
    std::uint64_t reference = 0;          ///< 100 ns

    static constexpr auto fields()
    {
        return std::tuple{hv::StateField{"wall", &TimeReading::wall}, hv::StateField{"boot", &TimeReading::boot},
                          hv::StateField{"monotonic", &TimeReading::monotonic},
                          hv::StateField{"reference", &TimeReading::reference}};
    }
};

/// Reads the host's clocks around `reference`.
[[nodiscard]] TimeReading read_host_clocks(std::function<std::uint64_t()> const& reference);

class TimeSyncService final : public Service {
  public:
    static constexpr std::chrono::seconds period{5};
    /// How far two clocks of the host drift apart between samples before that counts as a jump. Steering a clock does
    /// not come to a tenth of it.
    static constexpr std::chrono::milliseconds jump{100};

    /// `clock` is called from any thread, with a lock held.
    TimeSyncService(hv::vmbus::Executor& executor, std::function<TimeReading()> clock);

  private:
    void ready(Line& line, DeferredCalls&) override;
    void answered(Line&, Answer const&, DeferredCalls&) override {}
    void tick(Line& line, DeferredCalls&) override;
    void inspect_more(Line const& line, hv::Inspector& inspector) const override;
    void visit_more(Line& line, hv::StateVisitor& visitor) override;
    void tell(Line& line, TimeReading const& now);
    [[nodiscard]] static bool jumped(TimeReading const& last, TimeReading const& now);

    std::function<TimeReading()> const clock_;
    struct State {
        TimeReading last{}; ///< what jumps are seen by
        bool sync_due = false;
        std::uint64_t syncs = 0;
        std::uint64_t samples = 0;

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"last", &State::last}, hv::StateField{"sync_due", &State::sync_due},
                              hv::StateField{"syncs", &State::syncs, hv::Shown::Yes},
                              hv::StateField{"samples", &State::samples, hv::Shown::Yes}};
        }
    };
    GuardedWith<State, Line> state_;
};

} // namespace devices::vmbus
