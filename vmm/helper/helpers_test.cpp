#include "devices/net/checksum.hpp"
#include "devices/net/testing/user_frames.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/rest.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/helper/helpers.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <poll.h>
#include <sstream>
#include <string>
#include <vector>

namespace vmm::helper {

namespace net = devices::net;
using net::testing::discover;
using net::testing::is_offer;
using net::testing::send;

namespace {

Policy one_network(std::vector<net::PortForward> forwards = {})
{
    Policy policy;
    policy.networks[{0, 0}] = {"the guest", std::move(forwards)};
    return policy;
}

std::string porthole_path()
{
    return (vmm::testing::build_folder() / "porthole").string();
}

/// This process's children that are networks, and not zombies.
std::vector<pid_t> networks()
{
    std::vector<pid_t> found;
    std::ifstream children{"/proc/self/task/" + std::to_string(::getpid()) + "/children"};
    for (pid_t child = 0; children >> child;) {
        std::ifstream name{"/proc/" + std::to_string(child) + "/comm"};
        std::string text;
        if (std::getline(name, text) && text == "porthole-net") found.push_back(child);
    }
    return found;
}

std::string status_of(pid_t process, std::string const& key)
{
    std::ifstream file{"/proc/" + std::to_string(process) + "/status"};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key + ":\t")) return line.substr(key.size() + 2);
    return {};
}

struct Losing final : net::FrameReceiver {
    [[nodiscard]] bool receive(net::FrameSource&) override { return true; }
    void lost() override
    {
        ++times;
        times.notify_all();
    }
    std::atomic<unsigned> times{0};
};

/// A network in a process of its own.
struct Started {
    std::vector<std::string> warnings; ///< its thread's
    Helpers helpers{one_network(), porthole_path().c_str()};
    std::unique_ptr<net::UserNetwork> network =
        helpers.user_network(0, 0, [this](auto const& text) { warnings.push_back(text); });
    pid_t process = networks().at(0);
};

} // namespace

TEST_CASE("A network in a process of its own answers its guest, and goes with its card", "[helper][user]")
{
    net::testing::RecordingReceiver guest;
    Started started;
    started.network->start(guest);
    started.network->listen({});
    REQUIRE(send(*started.network, discover()));
    CHECK(guest.wait_for(is_offer));
    started.network.reset();
    CHECK(networks().empty());
    CHECK(::kill(started.process, 0) != 0); // and has left no zombie
}

TEST_CASE("A network's process has given up what it does not need", "[helper][user][jail]")
{
    Started const started;
    CHECK(status_of(started.process, "NoNewPrivs") == "1");
    CHECK(status_of(started.process, "Seccomp") == "2");
    constexpr unsigned long net_raw = 1UL << 13;
    CHECK((std::stoul(status_of(started.process, "CapPrm"), nullptr, 16) & ~net_raw) == 0);
    CHECK(status_of(started.process, "Threads") == "1");
    CHECK(::getpgid(started.process) != ::getpgrp()); // the terminal's signals are not for it
    CHECK(::getsid(started.process) != ::getsid(0));
    if (::geteuid() != 0) return; // it shows its descriptors to nobody else
    std::size_t open = 0;
    for (auto const& entry :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(started.process) + "/fd"}) {
        ++open;
        CHECK_FALSE(std::filesystem::read_symlink(entry).string().starts_with("/tmp"));
    }
    CHECK(open <= 5); // null three times, two sockets
}

TEST_CASE("A network's process asks for the host's name servers, and opens nothing", "[helper][user][jail]")
{
    net::testing::RecordingReceiver guest;
    Started started;
    started.network->start(guest);
    started.network->listen({});
    auto query = discover(); // as a datagram to 10.0.2.3, port 53, for which libslirp reads resolv.conf
    query.resize(14 + 20 + 8 + 12);
    std::array<unsigned char, 40> const headers{0x45, 0,  0,  40, 0, 1, 0, 0, 64, 17, 0, 0,  10, 0,
                                                2,    15, 10, 0,  2, 3, 4, 1, 0,  53, 0, 20, 0,  0};
    std::ranges::transform(headers, query.begin() + 14, [](auto byte) { return static_cast<std::byte>(byte); });
    auto const sum = net::ipv4_header_checksum({&query[14], 20});
    std::memcpy(&query[24], &sum, sizeof sum);
    REQUIRE(send(*started.network, query));
    REQUIRE(send(*started.network, discover()));
    CHECK(guest.wait_for(is_offer)); // it has lived through that
    CHECK_FALSE(guest.was_lost);
}

TEST_CASE("A network's process that ends costs its guest that network", "[helper][user][hostile]")
{
    Losing guest;
    Started started;
    started.network->start(guest);
    started.network->listen({});
    REQUIRE(::kill(started.process, SIGABRT) == 0);
    guest.times.wait(0);
    started.network->stop();
    CHECK(guest.times == 1);
    REQUIRE(started.warnings.size() == 1);
    CHECK_THAT(started.warnings[0], Catch::StartsWith("the user-mode network has failed: its process was ended by "
                                                      "signal 6 (") &&
                                        Catch::EndsWith("): its guest is off that network"));
    started.network.reset();
    started.network = started.helpers.user_network(0, 0, [](auto const&) {}); // the guest restarts
    CHECK(networks().size() == 1);
}

TEST_CASE("A network's process that stands still holds nobody up", "[helper][user][hostile]")
{
    Losing guest;
    Started started;
    started.network->start(guest);
    started.network->listen({});
    REQUIRE(::kill(started.process, SIGSTOP) == 0);
    for (unsigned i = 0; i < 10'000; ++i)
        static_cast<void>(send(*started.network, discover()));
    hv::testing::Rest rest;
    started.network->quiesce(rest.last());
    rest.wait();
    started.network->resume();
    started.network.reset();
    CHECK(networks().empty());
}

TEST_CASE("A quiesced network's process goes on where it was", "[helper][user][quiesce]")
{
    net::testing::RecordingReceiver guest;
    Started started;
    started.network->start(guest);
    started.network->listen({});
    hv::testing::Rest rest;
    started.network->quiesce(rest.last());
    rest.wait();
    REQUIRE(send(*started.network, discover()));
    CHECK(guest.frames() == 0);
    started.network->resume();
    CHECK(guest.wait_for(is_offer));
}

TEST_CASE("A port of the host that a network's process cannot have is complained about", "[helper][user]")
{
    auto const port = net::testing::free_port();
    net::PortForward const forward{
        .host_address = in_addr{htonl(INADDR_LOOPBACK)}, .host_port = port, .guest_port = 22};
    auto policy = one_network({forward});
    policy.networks[{1, 0}] = {"guest 'b'", {forward}};
    Helpers helpers{std::move(policy), porthole_path().c_str()};
    auto const ignore = [](auto const&) {};
    auto first = helpers.user_network(0, 0, ignore);
    CHECK_THROWS_WITH(helpers.user_network(1, 0, ignore),
                      "cannot listen for tcp:127.0.0.1:" + std::to_string(port) +
                          "-:22: Address already in use: choose another port of the host");
    first.reset();
    first = helpers.user_network(1, 0, ignore); // it is free at once
    first.reset();
    CHECK(networks().empty());
}

TEST_CASE("What the user's options do not name is not started", "[helper]")
{
    Helpers helpers{one_network(), porthole_path().c_str()};
    CHECK_THROWS_WITH(helpers.user_network(0, 1, [](auto const&) {}), Catch::Contains("Operation not permitted"));
    CHECK_THROWS_WITH(helpers.user_network(1, 0, [](auto const&) {}), Catch::Contains("Operation not permitted"));
}

TEST_CASE("Where no guest has such a network, nothing is started", "[helper]")
{
    CHECK_NOTHROW(Helpers{{}, "/nowhere"});
    GuestOptions guest;
    guest.nets.resize(2);
    guest.nets[0].tap = "vm0";
    guest.nets[1].forwards.resize(3);
    auto const policy = policy_of({&guest, 1});
    REQUIRE(policy.networks.size() == 1);
    CHECK(policy.networks.at({0, 1}).forwards.size() == 3);
}

TEST_CASE("Runs whose confined threads open files have the process that does", "[helper][files]")
{
    RunOptions options;
    options.guests.resize(2);
    CHECK_FALSE(opens_files_confined(options));
    options.guests[0].nets.resize(1); // a tap or a network is there before guests run
    CHECK_FALSE(opens_files_confined(options));

    SECTION("a command may add a disk")
    {
        options.control = "/run/control";
    }
    SECTION("a disk")
    {
        options.guests[1].disks.resize(1);
    }
    SECTION("a guest that starts anew")
    {
        options.guests[1].on_reboot = OnReboot::Restart;
    }
    CHECK(opens_files_confined(options));
}

TEST_CASE("A network's process is not started by hand", "[helper]")
{
    auto const outcome = vmm::testing::porthole({user_network_command, "x"});
    vmm::testing::check_is_one_complaint(outcome, "--net user");
}

} // namespace vmm::helper
