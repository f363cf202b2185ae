#include "devices/pc/uart16550.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"

#include <atomic>
#include <chrono>
#include <string_view>
#include <thread>

namespace {

enum : std::uint16_t { rbr = 0, thr = 0, ier = 1, iir = 2, fcr = 2, lcr = 3, mcr = 4, lsr = 5, msr = 6, scr = 7 };

struct Machine {
    devices::testing::RecordedSink sink;
    devices::testing::RecordedLine irq;
    devices::Uart16550 uart{sink, irq};

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

} // namespace

TEST_CASE("what the guest transmits reaches the sink, and the transmitter is always ready", "[uart]")
{
    Machine m;
    for (auto const c : std::string_view{"Linux\n"}) {
        CHECK((m.in(lsr)&0x60) == 0x60);
        m.out(thr, static_cast<unsigned char>(c));
    }
    CHECK(m.sink.text == "Linux\n");
    CHECK(m.irq.calls == 0);
}

TEST_CASE("the divisor latch hides behind DLAB", "[uart]")
{
    Machine m;
    m.out(ier, 0x0F);
    m.out(lcr, 0x83);
    m.out(0, 0x34);
    m.out(1, 0x12);
    CHECK(m.in(0) == 0x34);
    CHECK(m.in(1) == 0x12);
    m.out(lcr, 0x03);
    CHECK(m.in(ier) == 0x0F);
    CHECK(m.sink.text.empty());
    CHECK(m.in(lcr) == 0x03);
}

TEST_CASE("a driver that looks for chip variants finds a 16550A", "[uart]")
{
    // The questions that Linux's 8250 driver asks, and the answers by which it knows the chip.
    Machine m;

    m.out(ier, 0x00);
    CHECK(m.in(ier) == 0x00);
    m.out(ier, 0xFF); // the upper half exists on other chips only
    CHECK(m.in(ier) == 0x0F);
    m.out(ier, 0x00);

    m.out(mcr, 0x1A);
    CHECK((m.in(msr)&0xF0) == 0x90);
    m.out(mcr, 0x00);
    CHECK((m.in(msr)&0xF0) == 0xB0);

    m.out(fcr, 0x01);
    CHECK(m.in(iir) >> 6 == 3);

    for (unsigned const bank : {0x80U, 0xBFU, 0xE0U}) { // an EFR would read zero here
        m.out(lcr, bank);
        CHECK(m.in(iir) == 0xC1);
    }
    m.out(lcr, 0x00);
    m.out(fcr, 0x21); // 64-byte FIFOs, on a 16750
    CHECK(m.in(iir) >> 5 == 6);

    m.out(scr, 0xA5);
    CHECK(m.in(scr) == 0xA5);
    m.out(scr, 0x5A);
    CHECK(m.in(scr) == 0x5A);
    CHECK(m.sink.text.empty());
}

TEST_CASE("loopback measures a FIFO of 16 bytes and reports the overrun once", "[uart]")
{
    Machine m;
    m.out(fcr, 0x07);
    m.out(mcr, 0x10);
    m.out(ier, 0x04);
    for (unsigned i = 0; i < 256; ++i)
        m.out(thr, i);

    CHECK((m.in(iir)&0x0F) == 0x06);
    CHECK((m.in(lsr)&0x02) == 0x02);
    CHECK((m.in(lsr)&0x02) == 0x00);
    CHECK((m.in(iir)&0x0F) == 0x01);

    unsigned count = 0;
    while (m.in(lsr)&0x01)
        CHECK(m.in(rbr) == count++);
    CHECK(count == 16);
    CHECK(m.sink.text.empty());
    CHECK(m.irq.calls == 0); // OUT2 is disconnected in loopback
}

TEST_CASE("without FIFOs a looped-back character overwrites the last one", "[uart]")
{
    Machine m;
    m.out(mcr, 0x10);
    m.out(thr, 'a');
    m.out(thr, 'b');
    CHECK((m.in(lsr)&0x03) == 0x03);
    CHECK(m.in(rbr) == 'b');
    CHECK((m.in(lsr)&0x03) == 0x00);
}

TEST_CASE("loopback connects modem outputs to inputs, and changes are latched until read", "[uart]")
{
    Machine m;
    m.out(mcr, 0x10);
    CHECK(m.in(msr) == 0x0B); // DCD, DSR and CTS fell
    CHECK(m.in(msr) == 0x00);
    m.out(ier, 0x08);
    m.out(mcr, 0x14); // RI rises: no event
    CHECK((m.in(iir)&0x0F) == 0x01);
    m.out(mcr, 0x10); // RI falls
    CHECK((m.in(iir)&0x0F) == 0x00);
    CHECK(m.in(msr) == 0x04);
    CHECK((m.in(iir)&0x0F) == 0x01);
    m.out(mcr, 0x1F);
    CHECK(m.in(msr) == 0xFB);
}

TEST_CASE("the transmitter interrupt is raised again each time it is enabled", "[uart]")
{
    Machine m;
    m.out(mcr, 0x08);
    for (unsigned i = 0; i < 2; ++i) {
        m.out(ier, 0x02);
        CHECK(m.irq.level);
        CHECK((m.in(iir)&0x0F) == 0x02);
        CHECK_FALSE(m.irq.level); // showing it acknowledges it
        CHECK((m.in(iir)&0x0F) == 0x01);
        m.out(ier, 0x02); // no rising edge
        CHECK((m.in(iir)&0x0F) == 0x01);
        m.out(ier, 0x00);
    }
    CHECK(m.irq.rises == 2);
}

TEST_CASE("a transmitted burst costs one interrupt", "[uart]")
{
    Machine m;
    m.out(mcr, 0x08);
    m.out(fcr, 0x01);
    m.out(ier, 0x02);
    CHECK((m.in(iir)&0x0F) == 0x02);
    m.irq.calls = 0;

    for (unsigned i = 0; i < 16; ++i)
        m.out(thr, 'x');
    CHECK(m.irq.level);
    CHECK(m.irq.calls == 1);
    CHECK((m.in(iir)&0x0F) == 0x02);
    CHECK_FALSE(m.irq.level);
}

TEST_CASE("the interrupt line is gated by OUT2", "[uart]")
{
    Machine m;
    m.out(ier, 0x02);
    CHECK_FALSE(m.irq.level);
    m.out(mcr, 0x08);
    CHECK(m.irq.level);
    m.out(mcr, 0x00);
    CHECK_FALSE(m.irq.level);
    m.out(mcr, 0x18); // which loopback disconnects
    CHECK_FALSE(m.irq.level);
    CHECK((m.in(iir)&0x0F) == 0x02);
}

TEST_CASE("received characters interrupt at the trigger level, and below it by timeout", "[uart]")
{
    Machine m;
    m.listen(0x41); // FIFOs on, trigger at 4

    CHECK(m.type("abc") == 3);
    CHECK(m.irq.level);
    CHECK(m.in(iir) == 0xCC);
    CHECK(m.type("d") == 1);
    CHECK(m.in(iir) == 0xC4);
    CHECK(m.read_all() == "abcd");
    CHECK_FALSE(m.irq.level);
    CHECK(m.in(iir) == 0xC1);
    CHECK(m.sink.drained == 0);
}

TEST_CASE("interrupts come in order of priority", "[uart]")
{
    Machine m;
    m.out(fcr, 0x01);
    m.out(mcr, 0x10);
    static_cast<void>(m.in(msr));
    m.out(ier, 0x0F);
    m.out(mcr, 0x11);
    for (unsigned i = 0; i < 17; ++i)
        m.out(thr, i);

    CHECK(m.in(iir) == 0xC6);
    static_cast<void>(m.in(lsr));
    CHECK(m.in(iir) == 0xC4);
    m.out(fcr, 0x03);
    CHECK(m.in(iir) == 0xC2);
    CHECK(m.in(iir) == 0xC0);
    static_cast<void>(m.in(msr));
    CHECK(m.in(iir) == 0xC1);
}

TEST_CASE("input beyond the FIFO is left with the sender, who is told when it is empty", "[uart]")
{
    Machine m;
    m.listen(0x01);
    CHECK(m.type("0123456789abcdefXYZ") == 16);
    CHECK(m.type("XYZ") == 0);
    for (unsigned i = 0; i < 15; ++i)
        static_cast<void>(m.in(rbr));
    CHECK(m.sink.drained == 0);
    m.sink.on_drained = [&] { CHECK(m.type("XYZ") == 3); };
    CHECK(m.in(rbr) == 'f');
    CHECK(m.sink.drained == 1);
    CHECK(m.read_all() == "XYZ");
    CHECK(m.sink.drained == 1);
}

TEST_CASE("without FIFOs there is room for one character", "[uart]")
{
    Machine m;
    m.listen(0x00);
    CHECK(m.type("ab") == 1);
    CHECK(m.in(iir) == 0x04);
    CHECK(m.in(rbr) == 'a');
    CHECK(m.sink.drained == 1);
}

TEST_CASE("clearing the FIFO, and leaving loopback, make room", "[uart]")
{
    Machine m;
    m.listen(0x01);
    CHECK(m.type("0123456789abcdefX") == 16);
    m.out(fcr, 0x03);
    CHECK(m.sink.drained == 1);
    CHECK(m.read_all().empty());

    m.out(mcr, 0x1B);
    CHECK(m.type("y") == 0);
    CHECK((m.in(lsr)&0x01) == 0);
    CHECK(m.sink.drained == 1);
    m.out(mcr, 0x0B);
    CHECK(m.sink.drained == 2);
    CHECK(m.type("y") == 1);
}

TEST_CASE("a guest that starts to listen is announced, and keeps the character before its FIFOs", "[uart]")
{
    Machine m;
    CHECK_FALSE(m.uart.receive_interrupt_enabled());
    m.out(ier, 0x01);
    CHECK(m.uart.receive_interrupt_enabled());
    CHECK(m.sink.drained == 1);
    CHECK(m.type("q") == 1);
    m.out(fcr, 0x01);
    m.out(fcr, 0x81);
    CHECK(m.read_all() == "q");
    CHECK(m.type("r") == 1);
    m.out(fcr, 0x00);
    CHECK(m.read_all().empty());
}

TEST_CASE("a word written to the port reaches two registers", "[uart]")
{
    Machine m;
    m.uart.write(thr, 2, 0x0F41);
    CHECK(m.sink.text == "A");
    CHECK(m.in(ier) == 0x0F);
    CHECK(m.uart.read(scr, 4) == 0xFFFFFF00);
}

TEST_CASE("characters arrive whole and in order while another thread sends them", "[uart]")
{
    Machine m;
    m.out(fcr, 0x01);
    m.out(mcr, 0x0B);
    m.out(ier, 0x01);
    std::atomic<unsigned> drained{0};
    m.sink.on_drained = [&] {
        ++drained;
        drained.notify_one();
    };

    std::string text;
    for (unsigned i = 0; i < 20'000; ++i)
        text.push_back(static_cast<char>('a' + i % 26));
    std::thread sender{[&] {
        std::string_view rest{text};
        while (!rest.empty()) {
            auto const before = drained.load();
            rest.remove_prefix(m.type(rest));
            if (!rest.empty()) drained.wait(before);
        }
    }};

    std::string got;
    while (got.size() < text.size()) {
        got += m.read_all();
        std::this_thread::yield();
    }
    sender.join();
    CHECK(got == text);
}

TEST_CASE("no sequence of accesses confuses the serial port", "[uart][hammer]")
{
    Machine m;
    std::mt19937 random{1};
    devices::testing::hammer(m.uart, 8, [&] {
        if (random() % 4 == 0) {
            auto const taken = m.type("some input that never fits in whole");
            if (taken > 16) FAIL("took " << taken);
        }
    });

    m.out(lcr, 0x03);
    m.out(ier, 0x00);
    CHECK_FALSE(m.irq.level);
    m.listen(0x07);
    m.sink.text.clear();
    m.out(thr, '!');
    CHECK(m.sink.text == "!");
    CHECK(m.type("?") == 1);
    static_cast<void>(m.in(lsr));
    CHECK(m.in(iir) == 0xC4);
    CHECK(m.read_all() == "?");
}

TEST_CASE("input never waits for output that waits for its reader, and is told when to come again", "[uart][threads]")
{
    /// The host's end, whose reader stands still until the test lets it go on.
    struct SlowReader : devices::SerialSink {
        std::atomic<bool> writing{false};
        std::atomic<bool> go_on{false};
        std::atomic<unsigned> drained{0};

        void write(std::span<std::byte const>) override
        {
            writing = true;
            while (!go_on)
                std::this_thread::yield();
        }
        void input_drained() override { ++drained; }
    };
    SlowReader sink;
    devices::testing::RecordedLine irq;
    devices::Uart16550 uart{sink, irq};
    uart.write(ier, 1, 0x01);
    sink.drained = 0;
    auto const input = std::as_bytes(std::span{std::string_view{"x"}});

    std::thread vcpu{[&] { uart.write(thr, 1, 'o'); }};
    while (!sink.writing)
        std::this_thread::yield();
    CHECK(uart.receive(input) == 0);
    CHECK_FALSE(uart.receive_interrupt_enabled());
    CHECK(sink.drained == 0);
    sink.go_on = true;
    vcpu.join();

    CHECK(sink.drained == 1);
    CHECK(uart.receive_interrupt_enabled());
    CHECK(uart.receive(input) == 1);
    CHECK((uart.read(lsr, 1) & 0x01) != 0);
    CHECK(sink.drained == 1);
}

TEST_CASE("no input is lost between a guest that uses its port all the time and one who waits to be told",
          "[uart][threads]")
{
    constexpr std::size_t count = 20'000;
    struct Teller : devices::SerialSink {
        std::atomic<std::uint64_t> told{1};
        void write(std::span<std::byte const>) override {}
        void input_drained() override { ++told; }
    };
    Teller sink;
    devices::testing::RecordedLine irq;
    devices::Uart16550 uart{sink, irq};
    std::atomic<std::size_t> got{0};
    std::atomic<bool> given_up{false};

    std::thread vcpu{[&] {
        while (got < count && !given_up) {
            if ((uart.read(lsr, 1) & 0x01) != 0) {
                (void)uart.read(rbr, 1);
                ++got;
            }
        }
    }};
    auto const byte = std::byte{'x'};
    for (std::size_t sent = 0; sent < count && !given_up;) {
        auto const told = sink.told.load();
        if (uart.receive({&byte, 1}) == 1) {
            ++sent;
            continue;
        }
        auto const end = std::chrono::steady_clock::now() + std::chrono::seconds{180};
        while (sink.told == told && !given_up) { // only then it comes again
            std::this_thread::yield();
            given_up = std::chrono::steady_clock::now() > end;
        }
    }
    vcpu.join();
    CHECK(got == count);
}
