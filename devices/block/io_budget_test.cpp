#include "devices/block/io_budget.hpp"
#include "hv/testing/catch.hpp"

#include <vector>

namespace devices::block {

TEST_CASE("A budget is not exceeded, and who was refused is told of room", "[storage]")
{
    IoBudget budget{100};
    int told = 0;
    IoBudget::Account first{budget, [] {}};
    IoBudget::Account second{budget, [&] { ++told; }};
    REQUIRE(first.take(80));
    REQUIRE_FALSE(second.take(30));
    CHECK(told == 0);
    first.give_back(10);
    CHECK(told == 1);
    CHECK(second.take(30));
    CHECK(budget.used() == 100);
    first.give_back(70);
    CHECK(told == 1);
    second.give_back(30);
    CHECK(budget.used() == 0);
}

TEST_CASE("Who waits longest is served first, also before those who could be served now", "[storage]")
{
    IoBudget budget{100};
    std::vector<int> told;
    IoBudget::Account hog{budget, [] {}};
    IoBudget::Account large{budget, [&] { told.push_back(1); }};
    IoBudget::Account small{budget, [&] { told.push_back(2); }};
    REQUIRE(hog.take(90));
    REQUIRE_FALSE(large.take(50));
    REQUIRE_FALSE(small.take(10)); // there is room, but not its turn
    REQUIRE_FALSE(hog.take(5));
    hog.give_back(20);
    REQUIRE_FALSE(large.take(50));
    hog.give_back(20);
    CHECK(told == std::vector{1, 1});
    REQUIRE(large.take(50));
    CHECK(told == std::vector{1, 1, 2});
    hog.give_back(50);
    REQUIRE(small.take(10));
    large.give_back(50);
    small.give_back(10);
}

TEST_CASE("Who leaves the queue lets the next one in", "[storage]")
{
    IoBudget budget{100};
    int told = 0;
    IoBudget::Account hog{budget, [] {}};
    IoBudget::Account next{budget, [&] { ++told; }};
    REQUIRE(hog.take(60));
    {
        IoBudget::Account gone{budget, [] {}};
        REQUIRE_FALSE(gone.take(100));
        REQUIRE_FALSE(next.take(40));
    }
    CHECK(told == 1);
    CHECK(next.take(40));
    next.give_back(40);
    hog.give_back(60);
}

TEST_CASE("Whoever copies data leaves as much free as it takes", "[storage]")
{
    IoBudget budget{96};
    int told = 0;
    IoBudget::Account stalled{budget, [&] { ++told; }};
    IoBudget::Account other{budget, [] {}};
    while (stalled.take_fair_share(4)) {
    }
    CHECK(budget.used() == 48);
    while (other.take_fair_share(4)) {
    }
    CHECK(budget.used() == 72);
    CHECK(other.take(20)); // commands may have all of the rest
    other.give_back(44);
    CHECK(told == 1);
    stalled.take_always(90); // beyond the limit
    CHECK(budget.used() == 138);
    stalled.give_back(138);
}

} // namespace devices::block
