#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/options/net_option.hpp"

namespace vmm {

TEST_CASE("--net describes a card on the user-mode network", "[cli][net]")
{
    auto const plain = parse_net("--net", "user");
    CHECK(plain.tap.empty());
    CHECK_FALSE(plain.mac);
    CHECK(plain.forwards.empty());

    auto const net = parse_net(
        "--net", "user,hostfwd=tcp::2222-:22,mac=52:54:00:12:34:56,hostfwd=udp:127.0.0.1:53-10.0.2.15:5353");
    CHECK(to_string(net.mac.value()) == "52:54:00:12:34:56");
    REQUIRE(net.forwards.size() == 2);
    CHECK(to_string(net.forwards[0]) == "tcp::2222-:22");
    CHECK(to_string(net.forwards[1]) == "udp:127.0.0.1:53-10.0.2.15:5353");
}

TEST_CASE("--net describes a card on a tap", "[cli][net]")
{
    CHECK(parse_net("--net", "tap=vm0").tap == "vm0");
    auto const net = parse_net("--net", "tap=vm0,mac=52:54:00:12:34:56");
    CHECK(net.tap == "vm0");
    CHECK(to_string(net.mac.value()) == "52:54:00:12:34:56");
    CHECK(parse_net("--net", "tap=vm0,bootindex=3").boot_index == 3U);
}

TEST_CASE("A user-mode network serves what is booted from it", "[cli][net]")
{
    auto const net = parse_net("--net", "user,tftp=/srv/tftp,bootfile=" + std::string(127, 'x') + ",bootindex=0");
    CHECK(net.tftp == "/srv/tftp");
    CHECK(net.boot_file == std::string(127, 'x'));
    CHECK(net.boot_index == 0U);
    CHECK(parse_net("--net", "user,tftp=.").boot_file.empty());
}

TEST_CASE("What --net cannot be is refused in one line that says what it can", "[cli][net]")
{
    auto const complaint = [](std::string const& text) {
        try {
            static_cast<void>(parse_net("--net", text));
        } catch (UserError const& error) {
            return std::string{error.what()};
        }
        return std::string{"none"};
    };
    CHECK(complaint("") == "--net: '' is no network: use user or tap=NAME");
    CHECK(complaint("bridge") == "--net: 'bridge' is no network: use user or tap=NAME");
    CHECK(complaint("tap=") == "--net: 'tap=' names no interface: write e.g. tap=vm0");
    CHECK(complaint("tap=vm0,hostfwd=tcp::2222-:22") ==
          "--net: 'hostfwd=tcp::2222-:22' is not known here: a tap takes mac=MAC and bootindex=N");
    CHECK(complaint("tap=vm0,tftp=/srv") ==
          "--net: 'tftp=/srv' is not known here: a tap takes mac=MAC and bootindex=N");
    CHECK(complaint("user,mtu=9000") ==
          "--net: 'mtu=9000' is not known here: user takes mac=MAC, hostfwd=tcp::2222-:22, tftp=FOLDER, "
          "bootfile=NAME and bootindex=N");
    CHECK_THAT(complaint("user,tftp="), Catch::Contains("names no folder"));
    CHECK_THAT(complaint("user,bootfile=x.efi"), Catch::Contains("add the folder that it is in, tftp=FOLDER"));
    CHECK_THAT(complaint("user,tftp=a,bootfile="), Catch::Contains("names no file"));
    CHECK_THAT(complaint("user,tftp=a,bootfile=/x"), Catch::Contains("names no file"));
    CHECK_THAT(complaint("user,tftp=a,bootfile=" + std::string(128, 'x')), Catch::Contains("names no file"));
    CHECK_THAT(complaint("user,bootindex=-1"), Catch::Contains("is no place in an order"));
    CHECK_THAT(complaint("user,bootindex=10000"), Catch::Contains("is no place in an order"));
    CHECK(complaint("user,mac=1:2:3") == "--net: '1:2:3' is no MAC address: write e.g. mac=52:54:00:12:34:56");
    CHECK_THAT(complaint("user,mac=53:54:00:12:34:56"), Catch::Contains("no card's own address"));
    CHECK_THAT(complaint("user,mac=00:00:00:00:00:00"), Catch::Contains("no card's own address"));
    CHECK_THAT(complaint("user,hostfwd=22"), Catch::Contains("'22' is no port forwarding"));
    CHECK(complaint("user,\n,").find('\n') == std::string::npos);
}

TEST_CASE("A guest has so many cards and no more", "[cli][net]")
{
    GuestOptions guest;
    for (std::size_t i = 0; i < GuestOptions::max_nets; ++i)
        add_net(guest, "--net", "user");
    CHECK_THROWS_WITH(add_net(guest, "--net", "user"), "--net: a guest has at most 16 network cards");
}

} // namespace vmm
