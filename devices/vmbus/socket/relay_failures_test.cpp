#include "devices/net/testing/failures.hpp"
#include "devices/vmbus/socket/testing/relay_setting.hpp"

using namespace devices::vmbus::socket;
using devices::UniqueFd;
using testing::address_of;
using testing::connect_to;
using testing::ends;
using testing::Setting;
using testing::write_all;

TEST_CASE("an exception costs the connection that it came with, and no other", "[vsock]")
{
    Setting s;
    s.bus.fails_once = true;
    auto const first = connect_to(s.path);
    write_all(first, "CONNECT 1\n");
    CHECK(ends(first));
    CHECK(s.await_report() == "a connection of its sockets has failed: std::bad_alloc");
    auto const second = connect_to(s.path);
    write_all(second, "CONNECT 2\n");
    CHECK(s.bus.take_offer().spec.interface == service_of(Port{2}));
    CHECK(s.reports.size() == 1);
}

TEST_CASE("without a descriptor for a client it is said once, and clients wait until there is one", "[vsock]")
{
    Setting s;
    UniqueFd const client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto const address = address_of(s.path);
    {
        devices::net::testing::NoDescriptorLeft const none;
        REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
        CHECK_THAT(s.await_report(), Catch::Contains("Too many open files") && Catch::Contains("ulimit -n"));
        s.relay->connect_requested(hv::vmbus::guid("0000aaaa-facb-11e6-bd58-64006a7986d3"), service_of(Port{52}));
        CHECK(s.refused.size() == 1);
    }
    write_all(client, "CONNECT 3\n");
    CHECK(s.bus.take_offer().spec.interface == service_of(Port{3}));
    CHECK(s.reports.size() == 1);
}
