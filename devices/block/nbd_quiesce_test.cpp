#include "devices/block/testing/answers.hpp"
#include "devices/block/testing/nbd_server.hpp"
#include "hv/testing/rest.hpp"

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace devices::block {

using namespace std::chrono_literals;
using testing::AwaitedRequest;
using testing::Notices;
using testing::socket_path;
using testing::uri;
using Server = testing::NbdServer;

namespace {

constexpr std::uint64_t mib = 1 << 20;

} // namespace

TEST_CASE("What a server sends to a quiesced disk waits, and one that stands still keeps nobody waiting",
          "[storage][nbd][quiesce]")
{
    Server const server{socket_path(), {"pattern", "8M"}};
    NbdBackend backend{uri(), {.read_only = true}};
    server.stand_still();
    std::vector<std::byte> bytes(3 * mib);
    AwaitedRequest first{Operation::Read, 0};
    first.add(bytes);
    REQUIRE_FALSE(backend.submit(first));
    {
        hv::testing::Rest rest;
        backend.quiesce(rest.last());
        rest.wait();
    }
    auto const before = bytes;
    server.go_on();
    std::vector<std::byte> others(4096);
    AwaitedRequest second{Operation::Read, 4 * mib};
    second.add(others);
    REQUIRE_FALSE(backend.submit(second));
    std::this_thread::sleep_for(20ms); // for what must not happen
    CHECK_FALSE(first.answered());
    CHECK(bytes == before);

    SECTION("it is resumed")
    {
        backend.resume();
        CHECK(first.wait() == Result::Done);
        CHECK(second.wait() == Result::Done);
        CHECK(bytes[15] == std::byte{8}); // the plugin's data are offsets, big-endian
        CHECK(others[5] == std::byte{0x40});
    }
    SECTION("it is stopped")
    {
        backend.stop();
        CHECK(first.wait() == Result::Unreachable);
        CHECK(second.wait() == Result::Unreachable);
        CHECK(bytes == before);
    }
}

TEST_CASE("A disk that has no server is at rest at once, and connects meanwhile", "[storage][nbd][quiesce]")
{
    Notices notices;
    std::optional<Server> server;
    server.emplace(socket_path(), std::vector<std::string>{"memory", "1M"});
    NbdBackend backend{uri(), notices.how()};
    server.reset();
    REQUIRE(notices.wait_for("lost its server"));
    hv::testing::Rest rest;
    backend.quiesce(rest.last());
    rest.wait();
    server.emplace(socket_path(), std::vector<std::string>{"memory", "1M"});
    REQUIRE(notices.wait_for("has its server again"));
    std::vector<std::byte> bytes(4096);
    AwaitedRequest read{Operation::Read, 0};
    read.add(bytes);
    REQUIRE_FALSE(backend.submit(read));
    backend.resume();
    CHECK(read.wait() == Result::Done);
}

} // namespace devices::block
