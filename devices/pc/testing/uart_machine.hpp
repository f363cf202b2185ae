/// A serial port, and the registers by which its driver knows it.
#pragma once

#include "devices/pc/uart16550.hpp"
#include "devices/testing/fakes.hpp"

#include <string_view>

namespace devices::testing {

enum : std::uint16_t { rbr = 0, thr = 0, ier = 1, iir = 2, fcr = 2, lcr = 3, mcr = 4, lsr = 5, msr = 6, scr = 7 };

struct UartMachine {
    RecordedSink sink;
    RecordedLine irq;
    Uart16550 uart{sink, irq};

    unsigned in(std::uint16_t reg) { return uart.read(reg, 1); }
    void out(std::uint16_t reg, unsigned value) { uart.write(reg, 1, value); }

    void listen(unsigned fifo_control)
    {
        out(mcr, 0x0B); // DTR, RTS, OUT2
        out(fcr, fifo_control);
        out(ier, 0x05); // received data and line status
        sink.drained = 0;
    }

    std::size_t type(std::string_view text) { return uart.receive(std::as_bytes(std::span{text})); }

    std::string read_all()
    {
        std::string text;
        while (in(lsr)&0x01)
            text.push_back(static_cast<char>(in(rbr)));
        return text;
    }
};

} // namespace devices::testing
