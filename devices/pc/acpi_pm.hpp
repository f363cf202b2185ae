/// ACPI fixed hardware: the PM1 event and control registers, the power management timer and general-purpose events.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/byte_ports.hpp"
#include "devices/pc/clock.hpp"
#include "devices/pc/platform.hpp"
#include "devices/pc/power_events.hpp"
#include "hv/base/state.hpp"

#include <cstdint>
#include <tuple>

namespace devices {

/// Source: ACPI 6.5 §4.8.3, §4.8.4. Mapped as one device at platform::acpi_pm.
/// The machine is always in ACPI mode (SCI_EN reads 1), has a power button, no sleep button, one general-purpose
/// event, and S5 as its only sleeping state. The alarm of the RTC is an event too, which wakes a guest that sleeps
/// without a state of the machine's. The SCI stays asserted while an enabled status bit is set.
class AcpiPm final : public BytePorts {
  public:
    AcpiPm(Clock& clock, IrqLine& sci, PowerEvents& events);

    /// The user presses the power button: asks the guest to shut down. From any thread.
    void press_power_button();
    /// An alarm of the RTC has come (RTC_STS, ACPI 6.5 §4.8.3.1.1). From any thread.
    void rtc_alarm();
    /// A general-purpose event of platform::acpi_gpe0_events has come. From any thread.
    void raise_event(platform::GeneralPurposeEvent event);

    /// The timer's value is its clock's.
    void visit(hv::StateVisitor& visitor);

  private:
    [[nodiscard]] std::uint8_t read_byte(std::uint16_t offset) override;
    void write_byte(std::uint16_t offset, std::uint8_t value) override;

    void raise(std::uint16_t bit) { registers_.lock()->raise(bit); }

    /// What the lock guards.
    class Registers {
      public:
        Registers(Clock& clock, IrqLine& sci);

        [[nodiscard]] std::uint8_t read(std::uint16_t offset);
        /// True when this asks for S5.
        [[nodiscard]] bool write(std::uint16_t offset, std::uint8_t value);
        void raise(std::uint16_t bit);
        void raise_event(std::uint8_t bit);
        void on_deadline();
        void visit(hv::StateVisitor& visitor);

      private:
        void clear_status(std::uint16_t bits);
        void set_enable(std::uint16_t value);
        [[nodiscard]] bool set_control(unsigned byte, std::uint8_t value);

        void catch_up();
        void update();

        struct State {
            std::uint16_t status = 0;
            std::uint16_t enable = 0;
            std::uint16_t control = 0;
            std::uint8_t event_status = 0;  ///< GPE0_STS
            std::uint8_t event_enable = 0;  ///< GPE0_EN
            std::uint64_t carry_period = 0; ///< how often the timer's highest bit had changed when we last looked
            bool line = false;              ///< the SCI

            static constexpr auto fields()
            {
                return std::tuple{hv::StateField{"status", &State::status},
                                  hv::StateField{"enable", &State::enable},
                                  hv::StateField{"control", &State::control},
                                  hv::StateField{"event_status", &State::event_status},
                                  hv::StateField{"event_enable", &State::event_enable},
                                  hv::StateField{"carry_period", &State::carry_period},
                                  hv::StateField{"line", &State::line}};
            }
        };

        Clock& clock_;
        IrqLine& sci_;
        State state_;
    };

    Clock& clock_;
    PowerEvents& events_;
    Guarded<Registers, LockRank::Leaf> registers_;
};

} // namespace devices
