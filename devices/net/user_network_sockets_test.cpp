#include "devices/net/testing/failures.hpp"
#include "devices/net/testing/user_frames.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <poll.h>
#include <string>

namespace devices::net {

namespace {

using testing::at;
using testing::Bytes;
using testing::discover;
using testing::free_port;
using testing::send;

} // namespace

TEST_CASE("An exception on its thread ends a user-mode network, and nothing else", "[net][user]")
{
    testing::FailingReceiver guest;
    std::string report;
    UserNetwork network{{}, [&](auto const& text) { report = text; }};
    network.start(guest);
    network.listen({});
    REQUIRE(send(network, discover()));
    guest.was_lost.wait(false);
    network.stop();
    CHECK(report == "the user-mode network has failed: std::bad_alloc: its guest is off that network");
}

} // namespace devices::net
