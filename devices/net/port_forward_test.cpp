#include "devices/net/port_forward.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>

namespace devices::net {

TEST_CASE("Port forwardings are read and written", "[net]")
{
    for (auto const* text : {"tcp::2222-:22", "udp:127.0.0.1:5353-:53", "tcp:192.168.1.2:80-10.0.2.15:8080"}) {
        CAPTURE(text);
        CHECK(to_string(parse_port_forward(text)) == text);
    }
    auto const forward = parse_port_forward("tcp:127.0.0.1:2222-:22");
    CHECK_FALSE(forward.udp);
    CHECK(ntohl(forward.host_address.s_addr) == INADDR_LOOPBACK);
    CHECK(forward.host_port == 2222);
    CHECK(forward.guest_address.s_addr == 0);
    CHECK(forward.guest_port == 22);
}

TEST_CASE("What is no port forwarding is refused with an example", "[net]")
{
    for (auto const* text : {"", "tcp", "tcp:", "tcp::2222", "tcp::2222-22", "tcp:2222-:22", "sctp::1-:2",
                             "tcp::0-:22", "tcp::65536-:22", "tcp::22-:", "tcp::-:22", "tcp:1.2.3:22-:22",
                             "tcp::22-1.2.3.4.5:22", "tcp::22x-:22", "tcp:::22-:22", "tcp::22-:22:"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_port_forward(text), std::invalid_argument);
    }
}

} // namespace devices::net
