/// Partition reference time (TLFS 2.0a §15.1.2, §15.4.3).
#include "hv/testing/catch.hpp"
#include "hv/time/reference_time.hpp"

using namespace hv;

namespace {

struct FixedClock final : Clock {
    std::uint64_t tsc = 0;
    std::uint64_t hz = 1'000'000'000;
    [[nodiscard]] std::uint64_t guest_tsc() const override { return tsc; }
    [[nodiscard]] std::uint64_t tsc_hz() const override { return hz; }
    [[nodiscard]] std::uint64_t apic_hz() const override { return hz; }
};

} // namespace

TEST_CASE("reference time starts at zero whatever the TSC says, and counts 100 ns (TLFS 2.0a 15.1.2)", "[time]")
{
    auto const hz = GENERATE(std::uint64_t{1'000'000'000}, std::uint64_t{2'445'406'000}, std::uint64_t{3'999'999'937},
                             std::uint64_t{10'000'001});
    auto const start = GENERATE(std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{123'456'789'012'345});
    FixedClock clock;
    clock.hz = hz;
    clock.tsc = start;
    ReferenceTime const time{clock};
    CHECK(time.now() == RefTime{0});
    for (std::uint64_t const seconds : {1U, 60U, 86'400U, 31'536'000U}) {
        auto const ticks = time.at(start + seconds * hz).value;
        CHECK(ticks <= seconds * 10'000'000);
        CHECK(seconds * 10'000'000 - ticks <= 2 + seconds / 1000); // the scale is rounded down
    }
}

TEST_CASE("reference time never runs backwards (TLFS 2.0a 15.1.2)", "[time]")
{
    FixedClock clock;
    clock.hz = 2'445'406'000;
    ReferenceTime const time{clock};
    auto former = time.now();
    for (unsigned i = 0; i < 10'000; ++i) {
        clock.tsc += i;
        CHECK(time.now() >= former);
        former = time.now();
    }
}

TEST_CASE("reference time goes on over a TSC that has become another, with another page (TLFS 2.0a 15.4.3)", "[time]")
{
    FixedClock clock;
    clock.tsc = 5'000'000'000;
    ReferenceTime time{clock};
    clock.tsc += 3'000'000;
    auto const reached = time.now();
    auto const before = time.page();
    clock.tsc = GENERATE(std::uint64_t{0}, std::uint64_t{1} << 62);
    time.go_on_from(reached);
    CHECK(time.now() == reached);
    CHECK(time.page().sequence == before.sequence + 1);
    CHECK(time.page().offset != before.offset);
    clock.tsc += 1'000'000;
    CHECK(time.now().value - reached.value <= 10'000);
    CHECK(time.now().value - reached.value >= 9'999);
}

TEST_CASE("the page's sequence is one that a guest accepts (TLFS 2.0a 15.4.3.2)", "[time]")
{
    FixedClock const clock;
    ReferenceTime const time{clock};
    CHECK(time.page().sequence != 0);
    CHECK(time.page().sequence != 0xFFFF'FFFF);
    CHECK(time.page().reserved == 0);
}
