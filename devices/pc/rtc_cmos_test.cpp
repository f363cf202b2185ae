#include "devices/pc/rtc_cmos.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"

using namespace std::chrono_literals;
using std::chrono::sys_days;

namespace {

constexpr std::uint64_t mib = 1024UL * 1024;
constexpr std::chrono::sys_seconds sunday_noon = sys_days{2026y / 11 / 22} + 12h + 34min + 56s;

enum : unsigned { reg_a = 0x0A, reg_b = 0x0B, reg_c = 0x0C, reg_d = 0x0D };
enum : unsigned { hold = 0x80, periodic = 0x40, alarm_on = 0x20, update = 0x10, binary = 0x04, hours_24 = 0x02 };

struct Machine {
    devices::testing::HandClock clock{sunday_noon.time_since_epoch()};
    devices::testing::RecordedLine irq;
    unsigned alarms = 0;
    devices::RtcCmos rtc{clock, irq, {.below_4g = 512 * mib, .above_4g = 0}, [this] { ++alarms; }};

    unsigned in(unsigned index)
    {
        rtc.write(0, 1, index);
        return rtc.read(1, 1);
    }

    void out(unsigned index, unsigned value)
    {
        rtc.write(0, 1, index);
        rtc.write(1, 1, value);
    }

    /// hhmmss as the registers spell it.
    unsigned time() { return in(4) << 16 | in(2) << 8 | in(0); }
    /// yyyymmdd likewise.
    unsigned date() { return in(0x32) << 24 | in(9) << 16 | in(8) << 8 | in(7); }
};

} // namespace

TEST_CASE("the clock tells the time in BCD and 24 hours until told otherwise", "[rtc]")
{
    Machine m;
    CHECK(m.date() == 0x2026'1122);
    CHECK(m.time() == 0x12'34'56);
    CHECK(m.in(6) == 1);
    m.out(reg_b, binary);
    CHECK(m.time() == 0x8C'22'38);
    m.clock.advance(4s);
    CHECK(m.time() == 0x8C'23'00);
    CHECK(m.in(reg_d) == 0x80);
}

TEST_CASE("a driver's probe meets a working clock", "[rtc]")
{
    // What Linux's rtc-cmos looks at: no update that lasts, D without stray bits, 24 hours.
    Machine m;
    CHECK(m.in(reg_a) == 0x26);
    CHECK((m.in(reg_d)&0x7F) == 0);
    CHECK((m.in(reg_b) & (hours_24 | binary)) == hours_24);
    m.out(reg_d, 0x7F);
    CHECK(m.in(reg_d) == 0x80);
}

TEST_CASE("update in progress is seen for the last 244 microseconds of a second", "[rtc]")
{
    Machine m;
    CHECK((m.in(reg_a)&0x80) == 0);
    m.clock.advance(999'755us);
    CHECK((m.in(reg_a)&0x80) == 0);
    m.clock.advance(1us);
    CHECK((m.in(reg_a)&0x80) == 0x80);
    m.clock.advance(243us);
    CHECK((m.in(reg_a)&0x80) == 0x80);
    CHECK(m.in(0) == 0x56);
    m.clock.advance(1us);
    CHECK((m.in(reg_a)&0x80) == 0);
    CHECK(m.in(0) == 0x57);

    m.out(reg_b, hold | hours_24);
    m.clock.advance(999'900us);
    CHECK((m.in(reg_a)&0x80) == 0);
    m.out(reg_a, 0xA6); // the bit is read-only
    CHECK((m.in(reg_a)&0x80) == 0);
}

TEST_CASE("a guest sets the time as Linux does, and it runs on from there", "[rtc]")
{
    Machine m;
    m.clock.advance(123ms);
    m.out(reg_b, m.in(reg_b) | hold);
    m.out(reg_a, m.in(reg_a) | 0x70);
    m.out(9, 0x99);
    m.out(8, 0x12);
    m.out(7, 0x31);
    m.out(4, 0x23);
    m.out(2, 0x59);
    m.out(0, 0x58);
    m.out(0x32, 0x19);
    m.clock.advance(10s); // held meanwhile
    CHECK(m.time() == 0x23'59'58);
    m.out(reg_b, m.in(reg_b) & ~unsigned{hold});
    m.clock.advance(10s); // still, by the divider
    CHECK(m.time() == 0x23'59'58);
    m.out(reg_a, 0x26);

    m.clock.advance(499ms);
    CHECK(m.time() == 0x23'59'58);
    m.clock.advance(1ms); // the first update comes half a second after the divider's reset
    CHECK(m.time() == 0x23'59'59);
    m.clock.advance(1s);
    CHECK(m.date() == 0x2000'0101);
    CHECK(m.time() == 0);
    CHECK(m.in(6) == 7);
}

TEST_CASE("SET alone leaves the second's fraction alone", "[rtc]")
{
    Machine m;
    m.clock.advance(700ms);
    m.out(reg_b, hold | hours_24 | binary);
    m.out(0, 10);
    m.clock.advance(1s);
    m.out(reg_b, hours_24 | binary);
    m.clock.advance(299ms);
    CHECK(m.in(0) == 10);
    m.clock.advance(1ms);
    CHECK(m.in(0) == 11);
}

TEST_CASE("a register written without SET changes the running clock", "[rtc]")
{
    Machine m;
    m.out(4, 0x23);
    CHECK(m.time() == 0x23'34'56);
    m.out(8, 0x02); // the 22nd exists
    CHECK(m.date() == 0x2026'0222);
    m.clock.advance(1h);
    CHECK(m.date() == 0x2026'0223);
    CHECK(m.time() == 0x00'34'56);
}

TEST_CASE("the update-ended interrupt comes each second until disabled", "[rtc]")
{
    Machine m;
    m.out(reg_b, update | hours_24);
    m.clock.advance(999ms);
    CHECK_FALSE(m.irq.level);
    m.clock.advance(1ms);
    CHECK(m.irq.level);
    m.clock.advance(10s); // not collected: nothing more happens
    CHECK(m.irq.rises == 1);
    CHECK(m.clock.calls == 1);
    CHECK_FALSE(m.clock.deadline());

    CHECK(m.in(reg_c) == (0x80 | update | periodic)); // the periodic flag needs no enabling
    CHECK_FALSE(m.irq.level);
    CHECK(m.in(reg_c) == 0);
    m.clock.advance(1s);
    CHECK(m.irq.rises == 2);
    m.out(reg_b, hours_24);
    CHECK_FALSE(m.irq.level);
    CHECK_FALSE(m.clock.deadline());
}

TEST_CASE("SET disables the update-ended interrupt", "[rtc]")
{
    Machine m;
    m.out(reg_b, hold | update | hours_24);
    CHECK(m.in(reg_b) == (hold | hours_24));
    m.clock.advance(5s);
    CHECK(m.clock.calls == 0);
    CHECK((m.in(reg_c)&update) == 0);
}

TEST_CASE("the alarm interrupts at its time, in whatever format", "[rtc]")
{
    Machine m;
    static_cast<void>(m.in(reg_c));
    m.out(1, 0x05);
    m.out(3, 0x35);
    m.out(5, 0x12);
    m.out(reg_b, alarm_on | hours_24);
    m.clock.advance(8s);
    CHECK_FALSE(m.irq.level);
    m.clock.advance(1s);
    CHECK(m.irq.level);
    CHECK(m.clock.calls == 1);
    CHECK((m.in(reg_c) & (0x80 | alarm_on)) == (0x80 | alarm_on));

    m.out(5, 0xC0); // every hour
    m.clock.advance(1h);
    CHECK(m.irq.rises == 2);
    static_cast<void>(m.in(reg_c));
    m.out(5, 0x25); // never
    m.clock.advance(48h);
    CHECK(m.irq.rises == 2);
    CHECK((m.in(reg_c)&alarm_on) == 0);
}

TEST_CASE("an alarm is flagged without being enabled", "[rtc]")
{
    Machine m;
    m.out(1, 0x00);
    m.out(3, 0xFF);
    m.out(5, 0xFF);
    m.clock.advance(3s);
    CHECK((m.in(reg_c)&alarm_on) == 0);
    m.clock.advance(1s);
    CHECK((m.in(reg_c) & (0x80 | alarm_on)) == alarm_on);
    CHECK(m.irq.calls == 0);
    CHECK(m.alarms == 0);
}

TEST_CASE("each alarm that is enabled is told once", "[rtc]")
{
    Machine m;
    m.out(1, 0x00);
    m.out(3, 0xFF);
    m.out(5, 0xFF);
    m.out(reg_b, alarm_on | hours_24);
    m.clock.advance(4s);
    CHECK(m.alarms == 1);
    m.clock.advance(1h); // not collected
    CHECK(m.alarms == 1);
    static_cast<void>(m.in(reg_c));
    m.clock.advance(1min);
    CHECK(m.alarms == 2);
}

TEST_CASE("another interrupt that is not collected does not hold back the alarm", "[rtc]")
{
    Machine m;
    m.out(1, 0x05);
    m.out(3, 0x35);
    m.out(5, 0x12);
    m.out(reg_b, alarm_on | update | hours_24);
    m.clock.advance(1s);
    CHECK(m.irq.level);
    CHECK(m.alarms == 0);
    m.clock.advance(8s);
    CHECK(m.alarms == 1);
    CHECK(m.irq.rises == 1);
}

TEST_CASE("setting the time moves the alarm's deadline", "[rtc]")
{
    Machine m;
    m.out(1, 0x00);
    m.out(3, 0x00);
    m.out(5, 0x18);
    m.out(reg_b, alarm_on | hours_24);
    m.out(4, 0x17);
    m.out(2, 0x59);
    m.clock.advance(4s);
    CHECK(m.irq.level);
}

TEST_CASE("the periodic interrupt keeps its rate", "[rtc]")
{
    Machine m;
    auto const count_in_a_second = [&m](unsigned rate) {
        m.out(reg_a, 0x20 | rate);
        m.out(reg_b, periodic | hours_24);
        static_cast<void>(m.in(reg_c));
        unsigned count = 0;
        for (auto const end = m.clock.now() + 1s; m.clock.deadline() && *m.clock.deadline() <= end;) {
            m.clock.advance(*m.clock.deadline() - m.clock.now());
            if (m.irq.level) ++count;
            static_cast<void>(m.in(reg_c));
        }
        m.out(reg_b, hours_24);
        return count;
    };
    CHECK(count_in_a_second(3) == 8192);
    CHECK(count_in_a_second(6) == 1024);
    CHECK(count_in_a_second(15) == 2);
    CHECK(count_in_a_second(1) == 256);
    CHECK(count_in_a_second(2) == 128);
    CHECK(count_in_a_second(0) == 0);
}

TEST_CASE("CMOS memory tells the size of the guest's memory, and saturates", "[rtc]")
{
    Machine small;
    CHECK((small.in(0x16) << 8 | small.in(0x15)) == 640);
    CHECK((small.in(0x18) << 8 | small.in(0x17)) == 0xFFFF);
    CHECK((small.in(0x31) << 8 | small.in(0x30)) == 0xFFFF);
    CHECK((small.in(0x35) << 8 | small.in(0x34)) == 496 * 16);
    CHECK((small.in(0x5D) << 16 | small.in(0x5C) << 8 | small.in(0x5B)) == 0);

    devices::testing::HandClock clock;
    devices::testing::RecordedLine irq;
    devices::RtcCmos tiny{clock, irq, {.below_4g = 8 * mib, .above_4g = 0}};
    tiny.write(0, 1, 0x18);
    CHECK(tiny.read(1, 1) == 7 * 1024 / 256);
    tiny.write(0, 1, 0x34);
    CHECK(tiny.read(1, 1) == 0);

    devices::RtcCmos large{clock, irq, {.below_4g = 3072 * mib, .above_4g = 0x12'3456 * (mib / 16)}};
    for (auto const& [index, value] :
         {std::pair{0x34U, 0x00U}, {0x35U, 0xBFU}, {0x5BU, 0x56U}, {0x5CU, 0x34U}, {0x5DU, 0x12U}}) {
        large.write(0, 1, index);
        CHECK(large.read(1, 1) == value);
    }
}

TEST_CASE("the rest of CMOS is memory, and the NMI mask is not part of an address", "[rtc]")
{
    Machine m;
    m.out(0x80 | 0x7F, 0xA5);
    CHECK(m.in(0x7F) == 0xA5);
    m.out(0x0F, 0x05);
    CHECK(m.in(0x8F) == 0x05);
    CHECK(m.rtc.read(0, 1) == 0xFF);
    m.rtc.write(0, 2, 0x5A40); // a word: index and value
    CHECK(m.in(0x40) == 0x5A);
}

TEST_CASE("no sequence of accesses confuses the clock", "[rtc][hammer]")
{
    Machine m;
    std::mt19937 random{7};
    devices::testing::hammer(m.rtc, 2, [&] {
        if (random() % 2 == 0)
            m.out(static_cast<unsigned>(random() % 14),
                  static_cast<unsigned>(random() % 256)); // the registers, more often than memory
        m.clock.advance(std::chrono::microseconds{random() % 100'000'000 >> random() % 28});

        auto const raised = m.irq.level;
        auto const enabled = m.in(reg_b);
        auto const flags = m.in(reg_c);
        auto const due = (flags & enabled & 0x70) != 0;
        if (due != ((flags & 0x80) != 0)) FAIL("C is " << flags);
        if (raised && !due) FAIL("an interrupt without a cause");
        if (m.irq.level) FAIL("C does not acknowledge");
    });

    m.out(reg_a, 0x26);
    m.out(reg_b, hold | hours_24 | binary);
    for (auto const& [index, value] :
         {std::pair{0x32U, 20U}, {9U, 26U}, {8U, 11U}, {7U, 22U}, {4U, 1U}, {2U, 2U}, {0U, 3U}})
        m.out(index, value);
    m.out(reg_b, hours_24 | binary);
    m.out(reg_b, hours_24);
    CHECK(m.date() == 0x2026'1122);
    CHECK((m.time() & 0xFF'FF'00) == 0x01'02'00);
}
