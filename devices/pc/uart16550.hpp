/// The PC's serial port: a 16550A that sends and receives at once, whatever its baud rate.
#pragma once

#include "devices/base/component.hpp"
#include "devices/base/guarded.hpp"
#include "devices/pc/byte_ports.hpp"
#include "devices/pc/serial_sink.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>

namespace devices {

/// Source: National Semiconductor PC16550D datasheet; the interrupt line is gated by OUT2, as on a PC.
/// A line without noise: parity and framing errors and breaks do not occur, overruns only in loopback.
class Uart16550 final : public BytePorts, public Component {
  public:
    Uart16550(SerialSink& sink, IrqLine& irq) : sink_{sink}, registers_{sink, irq} {}

    /// Input for the guest, from any thread. Returns how many bytes were taken from the front; the caller keeps the
    /// rest, if any, and offers it again after SerialSink::input_drained(). Never waits: while another thread uses
    /// the device, perhaps with output that waits for a slow reader, it takes nothing.
    [[nodiscard]] std::size_t receive(std::span<std::byte const> data);

    /// It takes no input.
    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    void visit(hv::StateVisitor& visitor);

    /// Whether the guest has enabled the received-data interrupt. A driver that is only starting throws away what
    /// came before that, so input that must not be lost can wait for it. Turning it on is announced by
    /// SerialSink::input_drained() too. Never waits, as receive() does: false while it cannot know.
    [[nodiscard]] bool receive_interrupt_enabled();

  private:
    static constexpr unsigned fifo_size = 16;

    [[nodiscard]] std::uint8_t read_byte(std::uint16_t offset) override;
    void write_byte(std::uint16_t offset, std::uint8_t value) override;

    /// What the lock guards.
    class Registers {
      public:
        Registers(SerialSink& sink, IrqLine& irq) : sink_{sink}, irq_{irq} {}

        [[nodiscard]] std::uint8_t read(unsigned reg);
        void write(unsigned reg, std::uint8_t value);
        [[nodiscard]] std::size_t receive(std::span<std::byte const> data);
        [[nodiscard]] bool receive_interrupt_enabled() const;
        /// Once after each time that more input can be taken than before.
        [[nodiscard]] bool take_drained();
        void visit(hv::StateVisitor& visitor);

      private:
        [[nodiscard]] std::uint8_t read_register(unsigned reg);
        void write_register(unsigned reg, std::uint8_t value);

        // Characters between the line and the receiver buffer register; one place deep unless FIFOs are on.
        void push_received(std::uint8_t value);
        [[nodiscard]] std::uint8_t pop_received();
        void replace_newest_received(std::uint8_t value);

        void transmit(std::uint8_t value);
        void loop_back(std::uint8_t value);
        void set_interrupt_enable(std::uint8_t value);
        void set_fifo_control(std::uint8_t value);
        void set_modem_control(std::uint8_t value);

        [[nodiscard]] std::uint8_t read_interrupt_identification();
        [[nodiscard]] std::uint8_t pending_interrupt() const;
        [[nodiscard]] std::uint8_t modem_lines() const;
        [[nodiscard]] bool divisor_latch_open() const;
        [[nodiscard]] bool looped() const;
        [[nodiscard]] bool fifos_on() const;
        [[nodiscard]] unsigned capacity() const;
        [[nodiscard]] unsigned trigger_level() const;

        void update_line();

        /// What a guest has made of the port, and what it waits for.
        struct State {
            std::array<std::uint8_t, fifo_size> received{}; ///< characters: those from `first_received` on, around
            std::uint8_t first_received = 0;
            std::uint8_t received_count = 0;
            std::uint16_t divisor = 12; ///< 9600 baud
            std::uint8_t interrupt_enable = 0;
            std::uint8_t fifo_control = 0;
            std::uint8_t line_control = 0;
            std::uint8_t modem_control = 0;
            std::uint8_t modem_changes = 0;
            std::uint8_t scratch = 0;
            bool overrun = false;
            bool transmitter_pending = false; ///< the THRE interrupt, until IIR has shown it
            bool offered_more = false;        ///< receive() had to leave something behind
            bool announce = false;            ///< the guest started to listen
            bool line = false;                ///< the interrupt's

            static constexpr auto fields()
            {
                return std::tuple{hv::StateField{"received", &State::received},
                                  hv::StateField{"first_received", &State::first_received},
                                  hv::StateField{"received_count", &State::received_count},
                                  hv::StateField{"divisor", &State::divisor},
                                  hv::StateField{"interrupt_enable", &State::interrupt_enable},
                                  hv::StateField{"fifo_control", &State::fifo_control},
                                  hv::StateField{"line_control", &State::line_control},
                                  hv::StateField{"modem_control", &State::modem_control},
                                  hv::StateField{"modem_changes", &State::modem_changes},
                                  hv::StateField{"scratch", &State::scratch},
                                  hv::StateField{"overrun", &State::overrun},
                                  hv::StateField{"transmitter_pending", &State::transmitter_pending},
                                  hv::StateField{"offered_more", &State::offered_more},
                                  hv::StateField{"announce", &State::announce},
                                  hv::StateField{"line", &State::line}};
            }
        };

        SerialSink& sink_;
        IrqLine& irq_;
        State state_;
    };

    template <typename Body>
    [[nodiscard]] auto with_input(Body body);
    [[nodiscard]] bool take_turned_away();

    SerialSink& sink_;
    std::atomic<bool> quiesced_{false};
    std::atomic<bool> turned_away_{false}; ///< input came while another thread used the device
    Guarded<Registers, LockRank::Leaf> registers_;
};

} // namespace devices
