#include "devices/pc/testing/uart_machine.hpp"
#include "hv/testing/catch.hpp"

#include <atomic>
#include <chrono>
#include <string_view>
#include <thread>

using namespace devices::testing;

TEST_CASE("received characters interrupt at the trigger level, and below it by timeout", "[uart]")
{
    UartMachine m;
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
    UartMachine m;
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
    UartMachine m;
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
    UartMachine m;
    m.listen(0x00);
    CHECK(m.type("ab") == 1);
    CHECK(m.in(iir) == 0x04);
    CHECK(m.in(rbr) == 'a');
    CHECK(m.sink.drained == 1);
}

TEST_CASE("clearing the FIFO, and leaving loopback, make room", "[uart]")
{
    UartMachine m;
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
    UartMachine m;
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
    UartMachine m;
    m.uart.write(thr, 2, 0x0F41);
    CHECK(m.sink.text == "A");
    CHECK(m.in(ier) == 0x0F);
    CHECK(m.uart.read(scr, 4) == 0xFFFFFF00);
}

TEST_CASE("characters arrive whole and in order while another thread sends them", "[uart]")
{
    UartMachine m;
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
    UartMachine m;
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
    RecordedLine irq;
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
    RecordedLine irq;
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
