// What a user-mode network serves to whoever boots from it, by its confined process.
#include "devices/net/checksum.hpp"
#include "devices/net/testing/user_frames.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/helper/helpers.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace vmm::helper {

namespace {

namespace net = devices::net;
using net::testing::at;
using net::testing::Bytes;
using net::testing::put;
using net::testing::RecordedFrame;
using net::testing::send;

constexpr std::size_t tftp_at = 14 + 20 + 8; ///< in a frame
constexpr unsigned data = 3;                 ///< RFC 1350 §5
constexpr unsigned error = 5;
constexpr unsigned option_acknowledgment = 6; ///< RFC 2347

/// A folder with a file in it, and one beside it, and links to both. Removed at the end.
struct Served {
    std::string top = "/tmp/porthole-test-XXXXXX";
    std::string folder;

    Served()
    {
        REQUIRE(::mkdtemp(top.data()) != nullptr);
        folder = top + "/served";
        std::filesystem::create_directories(folder + "/boot");
        std::ofstream{folder + "/boot/file"} << "content";
        std::ofstream{top + "/secret"} << "secret";
        std::filesystem::create_symlink("boot/file", folder + "/link");
        std::filesystem::create_symlink("../secret", folder + "/out");
    }
    ~Served() { std::filesystem::remove_all(top); }
};

/// Whoever has 10.0.2.15, in an ARP request that asks for itself.
Bytes announcement()
{
    Bytes frame;
    put(frame, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x52, 0x54, 0, 1, 2, 3, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1});
    put(frame, {0x52, 0x54, 0, 1, 2, 3, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15});
    frame.resize(60);
    return frame;
}

/// A read request of the file, with its size to be told, from this port.
Bytes read_request(std::string_view name, unsigned port)
{
    constexpr std::string_view rest{"\0octet\0tsize\0000\0", 15};
    auto const size = static_cast<unsigned>(2 + name.size() + rest.size());
    Bytes frame;
    put(frame, {0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 1, 2, 3, 8, 0});
    put(frame, {0x45, 0, 0, 28 + size, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2});
    put(frame, {port >> 8, port & 0xFF, 0, 69, 0, 8 + size, 0, 0, 0, 1});
    for (auto const text : {name, rest})
        for (auto const c : text)
            frame.push_back(static_cast<std::byte>(c));
    auto const sum = net::ipv4_header_checksum({&frame[14], 20});
    std::memcpy(&frame[24], &sum, sizeof sum);
    return frame;
}

/// Of block 0, on which the first one follows.
Bytes acknowledgment(unsigned port)
{
    auto frame = read_request("", port);
    frame.resize(tftp_at);
    put(frame, {0, 4, 0, 0});
    frame[17] = static_cast<std::byte>(28 + 4);
    frame[39] = static_cast<std::byte>(8 + 4);
    frame[24] = frame[25] = {};
    auto const sum = net::ipv4_header_checksum({&frame[14], 20});
    std::memcpy(&frame[24], &sum, sizeof sum);
    return frame;
}

struct Client {
    Served served;
    Policy policy = [this] {
        Policy out;
        out.networks[{0, 0}] = {"the guest", {}, {.folder = served.folder, .name = "boot/file"}};
        return out;
    }();
    Helpers helpers{policy, (vmm::testing::build_folder() / "porthole").c_str()};
    net::testing::RecordingReceiver guest;
    std::unique_ptr<net::UserNetwork> network = helpers.user_network(0, 0, [](auto const&) {});
    unsigned port = 2000;

    Client()
    {
        network->start(guest);
        network->listen({});
        REQUIRE(send(*network, announcement()));
    }

    [[nodiscard]] RecordedFrame answer()
    {
        auto const to_port = [this](RecordedFrame const& frame) {
            return frame.bytes.size() >= tftp_at + 4 && at(frame, 12) == 8 && at(frame, 13) == 0 &&
                   at(frame, 23) == 17 && (at(frame, 36) << 8 | at(frame, 37)) == port;
        };
        auto frame = guest.wait_for(to_port);
        REQUIRE(frame);
        return *frame;
    }
    [[nodiscard]] RecordedFrame ask(std::string_view name)
    {
        ++port;
        REQUIRE(send(*network, read_request(name, port)));
        return answer();
    }
    [[nodiscard]] static std::string text(RecordedFrame const& frame, std::size_t from, std::size_t size)
    {
        REQUIRE(frame.bytes.size() >= from + size);
        return {reinterpret_cast<char const*>(frame.bytes.data()) + from, size};
    }
    [[nodiscard]] std::string read(std::string_view name)
    {
        auto const size = ask(name);
        if (at(size, tftp_at + 1) != option_acknowledgment) return "no such file";
        CHECK(text(size, tftp_at + 2, 7) == std::string_view{"tsize\0007", 7});
        REQUIRE(send(*network, acknowledgment(port)));
        auto const block = answer();
        REQUIRE(at(block, tftp_at + 1) == data);
        return text(block, tftp_at + 4, 7);
    }
};

} // namespace

TEST_CASE("A network serves a folder that there is", "[helper][tftp]")
{
    GuestOptions guest;
    guest.nets.resize(1);
    auto& net = guest.nets.front();
    net.tftp = "/proc/self/cwd";
    net.boot_file = "boot.efi";
    auto const files = policy_of({&guest, 1}).networks.at({0, 0}).files;
    CHECK(files.folder == std::filesystem::current_path());
    CHECK(files.name == "boot.efi");
    net.tftp = "/nowhere";
    CHECK_THROWS_WITH(policy_of({&guest, 1}),
                      "the folder '/nowhere' of tftp= cannot be opened: No such file or directory");
    net.tftp = "/dev/null";
    CHECK_THROWS_WITH(policy_of({&guest, 1}), Catch::Contains("'/dev/null' of tftp= is no folder"));
}

TEST_CASE("A network's process serves the files of its folder, and opens no others", "[helper][user][jail][tftp]")
{
    Client client;
    CHECK(client.read("boot/file") == "content");
    CHECK(client.read("link") == "content");
    for (auto const* const name : {"nothing", "out", "../secret", "boot", "/etc/passwd", "boot/../../secret", "."})
        CHECK(at(client.ask(name), tftp_at + 1) == error);
    CHECK(client.read("boot/file") == "content");
    std::ofstream{client.served.folder + "/boot/file", std::ios::trunc} << "changed";
    CHECK(client.read("boot/file") == "changed");
    CHECK_FALSE(client.guest.was_lost);
}

TEST_CASE("DHCP names the file to boot", "[helper][user][tftp]")
{
    Client client;
    REQUIRE(send(*client.network, net::testing::discover()));
    auto const offer = client.guest.wait_for(net::testing::is_offer);
    REQUIRE(offer);
    constexpr std::size_t next_server = tftp_at + 20; // RFC 2131 §2
    constexpr std::size_t file = tftp_at + 108;
    CHECK(Client::text(*offer, next_server, 4) == std::string_view{"\x0A\0\x02\x02", 4});
    CHECK(Client::text(*offer, file, 10) == std::string_view{"boot/file\0", 10});
}

} // namespace vmm::helper
