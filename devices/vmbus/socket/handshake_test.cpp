#include "devices/vmbus/socket/handshake.hpp"
#include "hv/testing/catch.hpp"

#include <cstring>

using namespace devices::vmbus::socket;

TEST_CASE("a client says which port of the guest it wants", "[vsock]")
{
    CHECK(requested_port("CONNECT 1234\n") == Port{1234});
    CHECK(requested_port("CONNECT 4294967295\n") == Port{0xFFFF'FFFF});
    for (auto const* const line : {"CONNECT 1234", "CONNECT \n", "CONNECT 12 34\n", "CONNECT -1\n", "connect 1\n",
                                   "CONNECT 4294967296\n", "CONNECT 0x10\n", "GET / HTTP/1.0\n", "\n", ""}) {
        INFO(line);
        CHECK_FALSE(requested_port(line));
    }
}

TEST_CASE("the longest request fits", "[vsock]")
{
    CHECK(std::strlen("CONNECT 4294967295\n") <= longest_request);
}

TEST_CASE("names and answers are those of other VMMs", "[vsock]")
{
    CHECK(greeting_for(Port{1073741824}) == "OK 1073741824\n");
    CHECK(path_for("/run/guest.sock", Port{52}) == "/run/guest.sock_52");
}

TEST_CASE("a port is the first field of a service's GUID", "[vsock]")
{
    CHECK(to_string(service_of(Port{0x1234})) == "00001234-facb-11e6-bd58-64006a7986d3");
    CHECK(port_of(service_of(Port{0xFFFF'FFFE})) == Port{0xFFFF'FFFE});
    CHECK_FALSE(port_of(hv::vmbus::guid("00001234-facb-11e6-bd58-64006a7986d4")));
    CHECK_FALSE(port_of(host_end_of(Port{0x1234})));
}

TEST_CASE("an offer says whose connection it is", "[vsock]")
{
    auto const service = service_of(Port{1});
    auto const instance = host_end_of(Port{2});
    auto const from_host = offer(service, instance, Direction::FromHost);
    CHECK(from_host.interface == service);
    CHECK(from_host.instance == instance);
    CHECK((from_host.flags & hv::vmbus::channel_flags::hv_socket) != 0);
    CHECK(from_host.user_defined[4] == std::byte{1}); // Linux: u.pipe.user_def[0]
    CHECK(offer(service, instance, Direction::FromGuest).user_defined[4] == std::byte{0});
}
