#include "devices/net/mac_address.hpp"
#include "hv/testing/catch.hpp"

#include <set>
#include <string>

namespace devices::net {

TEST_CASE("MAC addresses are read and written in the usual form", "[net]")
{
    auto const mac = parse_mac_address("52:54:00:aB:Cd:0f");
    REQUIRE(mac);
    CHECK(mac->bytes == std::array<std::uint8_t, 6>{0x52, 0x54, 0, 0xab, 0xcd, 0x0f});
    CHECK(to_string(*mac) == "52:54:00:ab:cd:0f");
    CHECK_FALSE(mac->multicast());
    CHECK(parse_mac_address("01:00:5e:00:00:01")->multicast());
}

TEST_CASE("What is no MAC address is none", "[net]")
{
    for (auto const* text : {"", "52:54:00:ab:cd", "52:54:00:ab:cd:0f:", "52-54-00-ab-cd-0f", "52:54:00:ab:cd:0g",
                             "5254:00:ab:cd:0f:", "52:54:00:ab:cd: f", ":52:54:00:ab:cd:f"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_mac_address(text));
    }
}

TEST_CASE("Derived MAC addresses are stable, local, unicast and different", "[net]")
{
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        auto const text = "guest/" + std::to_string(i);
        auto const mac = derive_mac_address(text);
        CHECK((mac.bytes[0] & 0x03) == 0x02);
        CHECK(mac == derive_mac_address(text));
        seen.insert(to_string(mac));
    }
    CHECK(seen.size() == 1000);
}

} // namespace devices::net
