/// The PC's serial port: a 16550A that sends and receives at once, whatever its baud rate.
#pragma once

#include "devices/base/component.hpp"
#include "devices/pc/byte_ports.hpp"
#include "devices/pc/serial_sink.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

namespace devices {

/// Source: National Semiconductor PC16550D datasheet; the interrupt line is gated by OUT2, as on a PC.
/// A line without noise: parity and framing errors and breaks do not occur, overruns only in loopback.
class Uart16550 final : public BytePorts, public Component {
  public:
    Uart16550(SerialSink& sink, IrqLine& irq) : sink_{sink}, irq_{irq} {}

    /// Input for the guest, from any thread. Returns how many bytes were taken from the front; the caller keeps the
    /// rest, if any, and offers it again after SerialSink::input_drained(). Never waits: while another thread uses
    /// the device, perhaps with output that waits for a slow reader, it takes nothing.
    [[nodiscard]] std::size_t receive(std::span<std::byte const> data);

    /// It takes no input.
    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    /// Whether the guest has enabled the received-data interrupt. A driver that is only starting throws away what
    /// came before that, so input that must not be lost can wait for it. Turning it on is announced by
    /// SerialSink::input_drained() too. Never waits, as receive() does: false while it cannot know.
    [[nodiscard]] bool receive_interrupt_enabled();

  private:
    static constexpr unsigned fifo_size = 16;

    /// Characters between the line and the receiver buffer register; one place deep unless FIFOs are on.
    class ReceiveFifo {
      public:
        [[nodiscard]] bool empty() const { return count_ == 0; }
        [[nodiscard]] unsigned size() const { return count_; }
        void clear() { count_ = 0; }
        void push(std::uint8_t value) { bytes_[(head_ + count_++) % fifo_size] = value; }
        [[nodiscard]] std::uint8_t pop();
        void replace_newest(std::uint8_t value) { bytes_[(head_ + count_ - 1) % fifo_size] = value; }

      private:
        std::array<std::uint8_t, fifo_size> bytes_{};
        unsigned head_ = 0;
        unsigned count_ = 0;
    };

    [[nodiscard]] std::uint8_t read_byte(std::uint16_t offset) override;
    void write_byte(std::uint16_t offset, std::uint8_t value) override;

    [[nodiscard]] std::uint8_t read_register(unsigned reg);
    void write_register(unsigned reg, std::uint8_t value);

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
    [[nodiscard]] bool take_drained();

    [[nodiscard]] std::unique_lock<std::mutex> lock_for_input();
    [[nodiscard]] bool take_turned_away();

    SerialSink& sink_;
    IrqLine& irq_;

    std::atomic<bool> quiesced_{false};
    std::atomic<bool> turned_away_{false}; ///< input came while another thread used the device
    std::mutex mutex_;                     // all below
    ReceiveFifo received_;
    std::uint16_t divisor_ = 12; // 9600 baud
    std::uint8_t interrupt_enable_ = 0;
    std::uint8_t fifo_control_ = 0;
    std::uint8_t line_control_ = 0;
    std::uint8_t modem_control_ = 0;
    std::uint8_t modem_changes_ = 0;
    std::uint8_t scratch_ = 0;
    bool overrun_ = false;
    bool transmitter_pending_ = false; // the THRE interrupt, until IIR has shown it
    bool offered_more_ = false;        // receive() had to leave something behind
    bool announce_ = false;            // the guest started to listen
    bool line_ = false;
};

} // namespace devices
