#include "hv/testing/catch.hpp"
#include "vmm/helper/spawner.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace vmm::helper {

namespace {

struct Sockets {
    UniqueFd asks;
    UniqueFd answers;

    Sockets()
    {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
        asks = UniqueFd{ends[0]};
        answers = UniqueFd{ends[1]};
    }
};

UniqueFd any()
{
    return UniqueFd{::eventfd(0, EFD_CLOEXEC)};
}

} // namespace

TEST_CASE("The process that starts helpers starts what the options name", "[helper]")
{
    Policy policy;
    policy.networks[{2, 1}] = {"guest 'a'", {}};
    std::vector<std::string> started;
    Spawner spawner{policy, [&](auto const& network) {
                        started.push_back(network.guest);
                        return Spawner::Started{any(), any(), any(), {}};
                    }};
    auto const answer = spawner.answer({Wanted::UserNetwork, 2, 1});
    CHECK(answer.error == 0);
    CHECK((answer.descriptors[0] && answer.descriptors[1] && answer.descriptors[2]));
    CHECK(spawner.answer({Wanted::UserNetwork, 1, 2}).error == EPERM);
    CHECK(spawner.answer({Wanted::UserNetwork, 0xFFFF'FFFF, 1}).error == EPERM);
    CHECK(spawner.answer({static_cast<Wanted>(0), 2, 1}).error == ENOSYS);
    CHECK(started == std::vector<std::string>{"guest 'a'"});
}

TEST_CASE("What cannot be started is answered with the reason", "[helper]")
{
    Policy policy;
    policy.networks[{0, 0}] = {};
    Spawner spawner{policy, [](auto const&) -> Spawner::Started {
                        throw std::system_error{EAGAIN, std::generic_category(), "clone"};
                    }};
    CHECK(spawner.answer({Wanted::UserNetwork, 0, 0}).error == EAGAIN);
}

TEST_CASE("A helper gets the file with the host's name servers, and no other", "[helper][hostile]")
{
    auto const ask = [](Wanted wanted, char const* resolv_conf) {
        return answer_helper({.request = {wanted}}, {}, resolv_conf);
    };
    CHECK(ask(Wanted::UserNetwork, "/dev/null").error == EPERM);
    CHECK(ask(Wanted::BootFile, "/dev/null").error == EPERM);
    CHECK(ask(static_cast<Wanted>(7), "/dev/null").error == EPERM);
    CHECK(ask(Wanted::ResolvConf, "/nowhere").error == ENOENT);
    CHECK(ask(Wanted::ResolvConf, "/dev/null").error == EACCES);
    auto const answer = ask(Wanted::ResolvConf, "/proc/self/status");
    REQUIRE(answer.error == 0);
    char byte = 0;
    CHECK(::read(answer.descriptors[0].get(), &byte, 1) == 1);
    CHECK(::write(answer.descriptors[0].get(), &byte, 1) < 0);
}

TEST_CASE("A network gets the files of the folder that it serves, and no others", "[helper][hostile]")
{
    std::string folder = "/tmp/porthole-test-XXXXXX";
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    std::filesystem::create_directory(folder + "/served");
    std::filesystem::create_directory(folder + "/served/below");
    std::ofstream{folder + "/secret"} << "secret";
    std::ofstream{folder + "/served/below/file"} << "content";
    std::filesystem::create_symlink("below/file", folder + "/served/link");
    std::filesystem::create_symlink("../secret", folder + "/served/out");
    std::filesystem::create_symlink(folder + "/served/below/file", folder + "/served/absolute");
    auto const error_of = [&](std::string const& name) {
        Policy::Network const network{"the guest", {}, {.folder = folder + "/served", .name = {}}};
        auto const answer = answer_helper({.request = {Wanted::BootFile}, .name = name}, network);
        char byte = 0;
        if (answer.error != 0) return answer.error;
        CHECK((::read(answer.descriptors[0].get(), &byte, 1) == 1 && byte == 'c'));
        CHECK(::write(answer.descriptors[0].get(), &byte, 1) < 0);
        return 0;
    };
    CHECK(error_of("below/file") == 0);
    CHECK(error_of("link") == 0);
    CHECK(error_of("nothing") == ENOENT);
    CHECK(error_of("below") == EACCES);
    CHECK(error_of(".") == EACCES);
    for (auto const* const name : {"out", "absolute", "../secret", "below/../../secret", "/etc/passwd"})
        CHECK(error_of(name) == EXDEV);
    std::filesystem::remove_all(folder);
}

TEST_CASE("Helpers are answered beside Porthole, until that goes", "[helper]")
{
    Sockets porthole;
    Sockets helper;
    Policy policy;
    policy.networks[{0, 0}] = {"the guest", {}};
    Spawner spawner{policy, [&](auto const&) {
                        return Spawner::Started{any(), any(), any(), std::move(helper.answers)};
                    }};
    std::thread serving{[&] { spawner.serve(porthole.answers.get()); }};
    REQUIRE(send_request(porthole.asks.get(), {Wanted::UserNetwork, 0, 0}));
    auto const started = receive_answer(porthole.asks.get(), 10'000);
    CHECK((started && started->error == 0));
    REQUIRE(send_request(helper.asks.get(), {Wanted::UserNetwork, 0, 0}));
    auto const refused = receive_answer(helper.asks.get(), 10'000);
    CHECK((refused && refused->error == EPERM));
    REQUIRE(::send(helper.asks.get(), "nonsense", 8, 0) == 8);
    char byte = 0;
    CHECK(::recv(helper.asks.get(), &byte, 1, 0) == 0); // it is not heard any more
    REQUIRE(send_request(porthole.asks.get(), {Wanted::ResolvConf}));
    auto const unknown = receive_answer(porthole.asks.get(), 10'000);
    CHECK((unknown && unknown->error == ENOSYS));
    porthole.asks.reset();
    serving.join();
}

TEST_CASE("Requests that are none are known as such, and the end of the asker too", "[helper][hostile]")
{
    Sockets sockets;
    Request const request{Wanted::UserNetwork, 3, 4};
    std::array<std::byte, 13> bytes{};
    REQUIRE(send_request(sockets.asks.get(), request));
    REQUIRE(::send(sockets.asks.get(), bytes.data(), 11, 0) == 11);
    REQUIRE(::send(sockets.asks.get(), bytes.data(), 13, 0) == 13);
    auto const first = receive_request(sockets.answers.get());
    REQUIRE(first.what == Received::What::Message);
    CHECK(first.request.guest == 3);
    CHECK(first.request.item == 4);
    CHECK(receive_request(sockets.answers.get()).what == Received::What::Nonsense);
    CHECK(receive_request(sockets.answers.get()).what == Received::What::Nonsense);

    auto const named = [&](Wanted wanted, std::string_view name) {
        REQUIRE(send_request(sockets.asks.get(), {wanted}, name));
        return receive_request(sockets.answers.get());
    };
    auto const file = named(Wanted::BootFile, "grub/grub.cfg");
    CHECK((file.what == Received::What::Message && file.name == "grub/grub.cfg"));
    CHECK(named(Wanted::BootFile, std::string(longest_name, 'x')).what == Received::What::Message);
    CHECK(named(Wanted::BootFile, std::string(longest_name + 1, 'x')).what == Received::What::Nonsense);
    CHECK(named(Wanted::BootFile, {}).what == Received::What::Nonsense);
    CHECK(named(Wanted::BootFile, {"a\0b", 3}).what == Received::What::Nonsense);
    CHECK(named(Wanted::ResolvConf, "name").what == Received::What::Nonsense);
    sockets.asks.reset();
    CHECK(receive_request(sockets.answers.get()).what == Received::What::End);
}

TEST_CASE("An answer brings its descriptors, and one that is none brings nothing", "[helper][hostile]")
{
    Sockets sockets;
    Answer sent{.error = 0, .descriptors = {any(), any(), any()}};
    REQUIRE(send_answer(sockets.answers.get(), sent));
    auto const received = receive_answer(sockets.asks.get(), 10'000);
    REQUIRE(received);
    for (auto const& fd : received->descriptors)
        CHECK(fd);
    REQUIRE(send_answer(sockets.answers.get(), {.error = EPERM}));
    CHECK(receive_answer(sockets.asks.get(), 10'000)->error == EPERM);
    REQUIRE(::send(sockets.answers.get(), "abcde", 5, 0) == 5);
    CHECK_FALSE(receive_answer(sockets.asks.get(), 10'000));
    CHECK_FALSE(receive_answer(sockets.asks.get(), 0));
    sockets.answers.reset();
    CHECK_FALSE(receive_answer(sockets.asks.get(), 10'000));
}

} // namespace vmm::helper
