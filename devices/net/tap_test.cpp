#include "devices/net/testing/failures.hpp"
#include "devices/net/testing/tap_host.hpp"

#include <stdexcept>
#include <sys/syscall.h>

namespace devices::net {

namespace {

using testing::Bytes;
using testing::frame_of;
using testing::HostEnd;
using testing::in_namespace;
using testing::is;
using testing::Namespace;
using testing::remove_tap;
using testing::send;

std::string complaint(std::string const& name)
{
    try {
        Tap const tap{name, 4, [](auto const&) {}};
    } catch (std::runtime_error const& error) {
        return error.what();
    }
    return "none";
}

} // namespace

TEST_CASE("Frames go both ways through a tap", "[net][tap]")
{
    in_namespace([](Namespace& space) {
        space.release();
        testing::RecordingReceiver guest;
        Tap tap{"ptap0", 4, [](auto const&) {}};
        HostEnd const host;
        tap.start(guest);
        tap.listen({.checksum = true, .large4 = true, .large6 = true});

        REQUIRE(send(tap, frame_of(60, 1)));
        CHECK(host.receive() == frame_of(60, 1));
        REQUIRE(send(tap, frame_of(1514, 2)));
        CHECK(host.receive() == frame_of(1514, 2));
        host.send(frame_of(1514, 3));
        auto const received = guest.wait_for(is(3));
        REQUIRE(received);
        CHECK(received->bytes == frame_of(1514, 3));
        CHECK(received->offload.segmentation == 0);
    });
}

TEST_CASE("A tap keeps frames while its guest has no room, and none from before it listened", "[net][tap]")
{
    in_namespace([](Namespace& space) {
        space.release();
        testing::RecordingReceiver guest;
        Tap tap{"ptap0", 4, [](auto const&) {}};
        HostEnd const host;
        tap.start(guest);
        host.send(frame_of(100, 1));
        tap.listen({});
        host.send(frame_of(100, 2));
        CHECK(guest.wait_for([](auto const& f) { return is(1)(f) || is(2)(f); })->bytes == frame_of(100, 2));

        guest.give_room(0);
        host.send(frame_of(100, 3));
        host.send(frame_of(100, 4));
        guest.give_room(1000);
        tap.room_again();
        CHECK(guest.wait_for(is(3)));
        CHECK(guest.wait_for(is(4)));
        tap.ignore();
    });
}

TEST_CASE("A checksum that the guest left to do is right when the host receives the frame", "[net][tap]")
{
    in_namespace([](Namespace& space) {
        space.release();
        testing::RecordingReceiver guest;
        Tap tap{"ptap0", 4, [](auto const&) {}};
        HostEnd const host;
        tap.start(guest);
        auto frame = frame_of(64, 0);
        std::array const pieces{iovec{frame.data(), frame.size()}};
        // The kernel takes it for done when the frame stays on the machine: it has to be accepted, with its field.
        REQUIRE(tap.send({.flags = Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 16}, pieces));
        CHECK(host.receive().size() == frame.size());
        CHECK_FALSE(
            tap.send({.flags = Offload::needs_checksum, .checksum_start = 9000, .checksum_offset = 16}, pieces));
    });
}

TEST_CASE("A tap's thread runs tasks, also when the interface has gone", "[net][tap]")
{
    in_namespace([](Namespace& space) {
        space.release();
        testing::RecordingReceiver guest;
        std::atomic<bool> gone{false};
        Tap tap{"ptap0", 4, [&](auto const&) {
                    gone = true;
                    gone.notify_all();
                }};
        tap.start(guest);
        tap.listen({});
        std::atomic<unsigned> runs{0};
        auto const run_one = [&] {
            auto const before = runs.load();
            tap.runner()->run([&] {
                ++runs;
                runs.notify_all();
            });
            runs.wait(before);
        };
        for (unsigned i = 1; i <= 3; ++i) {
            run_one();
            CHECK(runs == i);
        }
        if (!remove_tap()) return;
        gone.wait(false);
        run_one();
        CHECK(runs == 4);
        tap.stop();
    });
}

TEST_CASE("A tap that is removed is reported once, and its guest goes on", "[net][tap]")
{
    in_namespace([](Namespace& space) {
        space.release();
        testing::RecordingReceiver guest;
        std::atomic<unsigned> reports{0};
        Tap tap{"ptap0", 4, [&](auto const& text) {
                    CHECK(text == "the tap 'ptap0' has gone: its guest is off that network");
                    ++reports;
                    reports.notify_all();
                }};
        tap.start(guest);
        tap.listen({});
        UniqueFd const control{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)};
        if (!remove_tap()) return;
        reports.wait(0);
        CHECK_FALSE(send(tap, frame_of(60, 1)));
        tap.stop();
        CHECK(reports == 1);
    });
}

TEST_CASE("A tap is noticed to be removed also while its guest does not listen, or has no room", "[net][tap]")
{
    auto const has_room = GENERATE(true, false);
    in_namespace([has_room](Namespace& space) {
        space.release();
        testing::RecordingReceiver guest;
        HostEnd const host;
        std::atomic<unsigned> reports{0};
        Tap tap{"ptap0", 4, [&](auto const&) {
                    ++reports;
                    reports.notify_all();
                }};
        tap.start(guest);
        if (!has_room) {
            guest.give_room(0);
            tap.listen({});
            host.send(frame_of(100, 1));
        }
        if (!remove_tap()) return;
        reports.wait(0);
        tap.stop();
        CHECK(reports == 1);
        CHECK(guest.was_lost);
    });
}

TEST_CASE("An exception on a tap's thread ends that tap, and nothing else", "[net][tap]")
{
    in_namespace([](Namespace& space) {
        space.release();
        testing::FailingReceiver guest;
        HostEnd const host;
        std::string report;
        Tap tap{"ptap0", 4, [&](auto const& text) { report = text; }};
        tap.start(guest);
        tap.listen({});
        host.send(frame_of(100, 1));
        guest.was_lost.wait(false);
        tap.stop();
        CHECK(report == "the tap 'ptap0' has failed: std::bad_alloc: its guest is off that network");
    });
}

TEST_CASE("A tap that belongs to root is complained about in one line that helps", "[net][tap]")
{
    in_namespace([](Namespace& space) {
        space.release();
        constexpr long same = -1;
        constexpr long nobody = 65534;
        // The system call is about its thread alone, unlike the function of the C library.
        REQUIRE(::syscall(SYS_setresuid, same, nobody, same) == 0);
        auto const said = complaint("ptap0");
        REQUIRE(::syscall(SYS_setresuid, same, 0L, same) == 0);
        CHECK_THAT(said, Catch::Contains("no permission to") && Catch::Contains("run as root"));
        CHECK(said.find('\n') == std::string::npos);
    });
}

TEST_CASE("A tap that cannot be had is complained about in one line that helps", "[net][tap]")
{
    in_namespace([](Namespace& space) {
        CHECK_THAT(complaint("ptap0"), Catch::Contains("in use by another program"));
        space.release();
        CHECK_THAT(complaint("nosuchtap"),
                   Catch::Contains("no interface 'nosuchtap'") && Catch::Contains("ip tuntap add nosuchtap"));
        CHECK_THAT(complaint("lo"), Catch::Contains("is no tap"));
        CHECK_THAT(complaint(""), Catch::Contains("no interface name"));
        CHECK_THAT(complaint("a-name-of-sixteen"), Catch::Contains("no interface name"));
        for (auto const* name : {"lo", "nosuchtap", ""})
            CHECK(complaint(name).find('\n') == std::string::npos);
    });
}

} // namespace devices::net
