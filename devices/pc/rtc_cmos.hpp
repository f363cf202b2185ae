/// The PC's battery-backed clock and its CMOS memory.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/byte_ports.hpp"
#include "devices/pc/clock.hpp"
#include "devices/pc/rtc_calendar.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <tuple>

namespace devices {

/// Source: Motorola MC146818A datasheet; the CMOS memory map of PC BIOSes.
/// Time runs with the injected clock, to which a guest that sets the time adds an offset. An update takes no time:
/// the update-in-progress bit only gives its 244 µs of warning. An interrupt that the guest has not collected holds
/// back later ones, so that a guest which does not care costs nothing. It does not hold back the alarm, which may be
/// what a sleeping guest waits for.
class RtcCmos final : public BytePorts {
  public:
    /// Guest memory in bytes, which goes where a BIOS leaves it.
    struct Memory {
        std::uint64_t below_4g; ///< from address 0, the hole below 1 MiB included
        std::uint64_t above_4g;
    };

    /// `alarm` is called each time that an enabled alarm comes, with a lock of this device held; it may be empty.
    RtcCmos(WallClock& clock, IrqLine& irq, Memory memory, std::function<void()> alarm = {});

    /// Time itself is the clock's.
    void visit(hv::StateVisitor& visitor);

  private:
    [[nodiscard]] std::uint8_t read_byte(std::uint16_t offset) override;
    void write_byte(std::uint16_t offset, std::uint8_t value) override;

    /// What the lock guards.
    class Registers {
      public:
        Registers(WallClock& clock, IrqLine& irq, Memory memory, std::function<void()> alarm);

        [[nodiscard]] std::uint8_t read();
        void write(std::uint8_t value);
        void select(std::uint8_t index);
        void on_deadline();
        void visit(hv::StateVisitor& visitor);

      private:
        using Nanoseconds = std::chrono::nanoseconds;

        struct Held {
            bool calendar;
            bool divider;
        };

        [[nodiscard]] std::uint8_t read_register(unsigned index);
        void write_register(unsigned index, std::uint8_t value);
        void write_divider(std::uint8_t value);
        void write_control(std::uint8_t value);
        [[nodiscard]] Held hold();
        void resume(Held before);
        [[nodiscard]] std::uint8_t take_flags();

        void store_memory(Memory memory);
        void store_calendar();
        void adopt_calendar();

        [[nodiscard]] RtcFormat format() const;
        [[nodiscard]] RtcAlarm alarm() const;
        [[nodiscard]] bool divider_held() const;
        [[nodiscard]] bool calendar_held() const;
        [[nodiscard]] bool update_in_progress() const;

        // The divider chain counts the clock's time plus a phase; the calendar is whole seconds apart from it.
        [[nodiscard]] Nanoseconds chain() const { return clock_.now() + state_.phase; }
        [[nodiscard]] std::chrono::sys_seconds calendar_at(Nanoseconds chain) const;
        [[nodiscard]] Nanoseconds chain_at(std::chrono::sys_seconds time) const;

        [[nodiscard]] unsigned periodic_shift() const;
        [[nodiscard]] std::int64_t periodic_ticks(Nanoseconds chain) const;
        [[nodiscard]] std::optional<Nanoseconds> next_interrupt() const;
        [[nodiscard]] std::optional<Nanoseconds> next_alarm_interrupt() const;
        void catch_up();
        void update();

        struct State {
            std::array<std::uint8_t, 128> cmos{}; ///< its calendar is right only while that is held
            std::uint8_t index = 0;
            Nanoseconds phase{0};
            std::chrono::seconds shift{0};
            Nanoseconds seen{0};  ///< up to here on the chain the flags say what has happened
            bool line = false;    ///< the interrupt's
            bool alarmed = false; ///< by an enabled alarm that the guest has not collected

            static constexpr auto fields()
            {
                return std::tuple{hv::StateField{"cmos", &State::cmos},      hv::StateField{"index", &State::index},
                                  hv::StateField{"phase", &State::phase},    hv::StateField{"shift", &State::shift},
                                  hv::StateField{"seen", &State::seen},      hv::StateField{"line", &State::line},
                                  hv::StateField{"alarmed", &State::alarmed}};
            }
        };

        WallClock& clock_;
        IrqLine& irq_;
        std::function<void()> const alarm_came_;
        State state_;
        std::optional<Nanoseconds> armed_; ///< what the clock calls at; follows from the state
    };

    Guarded<Registers, LockRank::Clock> registers_;
};

} // namespace devices
