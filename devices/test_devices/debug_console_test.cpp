#include "devices/test_devices/debug_console.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"

TEST_CASE("the debug console prints bytes and says that it is there", "[debug_console]")
{
    devices::testing::RecordedSink sink;
    devices::DebugConsole console{sink};
    CHECK(console.read(0, 1) == 0xE9);
    console.write(0, 1, 'o');
    console.write(0, 1, 0xFFFF'FF00 | 'k');
    console.write(0, 2, 'x');
    console.write(1, 1, 'x');
    CHECK(sink.text == "ok");
    CHECK(console.read(0, 2) == 0xFFFF'FFFF);
}

TEST_CASE("no sequence of accesses confuses the debug console", "[debug_console][hammer]")
{
    devices::testing::RecordedSink sink;
    devices::DebugConsole console{sink};
    devices::testing::hammer(console, 1, [] {});
    CHECK_FALSE(sink.text.empty());
    CHECK(sink.text.size() < 20'000);
    CHECK(console.read(0, 1) == 0xE9);
}
