#include "devices/test_devices/debug_exit.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"

#include <vector>

TEST_CASE("a write to the debug exit ends the run with an odd status", "[debug_exit]")
{
    std::vector<std::uint32_t> statuses;
    devices::DebugExit port{[&](std::uint32_t status) { statuses.push_back(status); }};
    CHECK(port.read(0, 4) == 0);
    port.write(0, 1, 0);
    port.write(0, 4, 0x10);
    port.write(0, 2, 0xFFFF'0011);
    port.write(3, 1, 0x7F);
    port.write(0, 4, 0xFFFF'FFFF);
    CHECK(statuses == std::vector<std::uint32_t>{1, 33, 35, 255, 0xFFFF'FFFF});
}

TEST_CASE("every write ends the run, and no read does", "[debug_exit][hammer]")
{
    unsigned even = 0;
    unsigned ends = 0;
    devices::DebugExit port{[&](std::uint32_t status) {
        ++ends;
        if (status % 2 == 0) ++even;
    }};
    devices::testing::hammer(port, 4, [] {});
    CHECK(ends > 0);
    CHECK(even == 0);
}
