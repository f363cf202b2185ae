#include "hv/testing/catch.hpp"
#include "vmm/machine/triple_faults.hpp"

using namespace std::chrono_literals;
using vmm::TripleFaults;

TEST_CASE("a guest that triple-faults at once again and again is not started anew a fifth time", "[triple_faults]")
{
    TripleFaults faults;
    for (unsigned i = 1; i < TripleFaults::most_in_a_row; ++i)
        CHECK(faults.may_restart(1ms, false));
    CHECK_FALSE(faults.may_restart(9'999ms, false));
}

TEST_CASE("what a guest got to, or another kind of reset, begins the count anew", "[triple_faults]")
{
    TripleFaults faults;
    auto const nearly = [&] {
        for (unsigned i = 1; i < TripleFaults::most_in_a_row; ++i)
            REQUIRE(faults.may_restart(0ms, false));
    };
    nearly();
    CHECK(faults.may_restart(10s, false));
    nearly();
    CHECK(faults.may_restart(1ms, true));
    nearly();
    faults.forget();
    nearly();
    CHECK_FALSE(faults.may_restart(0ms, false));
}

TEST_CASE("a guest that reboots so on purpose may do that for ever", "[triple_faults]")
{
    TripleFaults faults;
    for (unsigned i = 0; i < 1000; ++i)
        REQUIRE(faults.may_restart(2s, true));
}
