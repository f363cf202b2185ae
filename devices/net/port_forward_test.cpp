#include "devices/net/port_forward.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>

namespace devices::net {

TEST_CASE("Port forwardings are read and written", "[net]")
{
    for (auto const* text : {"tcp::2222-:22", "udp:127.0.0.1:5353-:53", "tcp:192.168.1.2:80-10.0.2.15:8080",
                             "tcp:[::]:2222-:22", "tcp:[::1]:2222-:22", "udp:[2001:db8::1]:53-[fec0::5054]:5353"}) {
        CAPTURE(text);
        CHECK(to_string(parse_port_forward(text)) == text);
    }
    auto const forward = parse_port_forward("tcp:127.0.0.1:2222-:22");
    CHECK_FALSE(forward.udp);
    CHECK(ntohl(std::get<in_addr>(forward.host_address).s_addr) == INADDR_LOOPBACK);
    CHECK(forward.host_port == 2222);
    CHECK(std::get<in_addr>(forward.guest_address).s_addr == 0);
    CHECK(forward.guest_port == 22);

    auto const six = parse_port_forward("tcp:[::1]:2222-:22");
    CHECK(IN6_IS_ADDR_LOOPBACK(&std::get<in6_addr>(six.host_address)));
    CHECK(IN6_IS_ADDR_UNSPECIFIED(&std::get<in6_addr>(six.guest_address)));
}

TEST_CASE("What is no port forwarding is refused with an example", "[net]")
{
    for (auto const* text : {"",
                             "tcp",
                             "tcp:",
                             "tcp::2222",
                             "tcp::2222-22",
                             "tcp:2222-:22",
                             "sctp::1-:2",
                             "tcp::0-:22",
                             "tcp::65536-:22",
                             "tcp::22-:",
                             "tcp::-:22",
                             "tcp:1.2.3:22-:22",
                             "tcp::22-1.2.3.4.5:22",
                             "tcp::22x-:22",
                             "tcp:::22-:22",
                             "tcp::22-:22:",
                             "tcp:[]:22-:22",
                             "tcp:[:22-:22",
                             "tcp:[::1:22-:22",
                             "tcp:[127.0.0.1]:22-:22",
                             "tcp:[::1]22-:22",
                             "tcp:[::1]:-:22",
                             "tcp:[fe80::1%lo]:22-:22",
                             "-tcp::22",
                             "tcp-:22::1"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(parse_port_forward(text), std::invalid_argument);
    }
}

TEST_CASE("An IPv6 address of a port forwarding is in brackets, and both addresses are of one family", "[net]")
{
    CHECK_THROWS_WITH(parse_port_forward("tcp:::1:2222-:22"), Catch::Contains("without brackets: write [::1]:2222"));
    CHECK_THROWS_WITH(parse_port_forward("tcp::2222-fec0::15:22"), Catch::Contains("write [fec0::15]:22"));
    for (auto const* text :
         {"tcp:[::1]:2222-10.0.2.15:22", "tcp:127.0.0.1:2222-[fec0::15]:22", "tcp::2222-[fec0::15]:22"}) {
        CAPTURE(text);
        CHECK_THROWS_WITH(parse_port_forward(text), Catch::Contains("both addresses of one family"));
    }
}

} // namespace devices::net
