#include "devices/pc/testing/uart_machine.hpp"
#include "hv/testing/catch.hpp"

using namespace devices::testing;

TEST_CASE("what the guest transmits reaches the sink, and the transmitter is always ready", "[uart]")
{
    UartMachine m;
    for (auto const c : std::string_view{"Linux\n"}) {
        CHECK((m.in(lsr)&0x60) == 0x60);
        m.out(thr, static_cast<unsigned char>(c));
    }
    CHECK(m.sink.text == "Linux\n");
    CHECK(m.irq.calls == 0);
}

TEST_CASE("the divisor latch hides behind DLAB", "[uart]")
{
    UartMachine m;
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
    UartMachine m;

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
    UartMachine m;
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
    UartMachine m;
    m.out(mcr, 0x10);
    m.out(thr, 'a');
    m.out(thr, 'b');
    CHECK((m.in(lsr)&0x03) == 0x03);
    CHECK(m.in(rbr) == 'b');
    CHECK((m.in(lsr)&0x03) == 0x00);
}

TEST_CASE("loopback connects modem outputs to inputs, and changes are latched until read", "[uart]")
{
    UartMachine m;
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
    UartMachine m;
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
    UartMachine m;
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
    UartMachine m;
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
