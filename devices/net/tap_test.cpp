#include "devices/net/tap.hpp"
#include "devices/net/testing/failures.hpp"
#include "devices/net/testing/recorders.hpp"
#include "hv/testing/catch.hpp"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include <arpa/inet.h>
#include <cstdlib>
#include <fcntl.h>
#include <future>
#include <net/if.h>
#include <sched.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace devices::net {

namespace {

using Bytes = std::vector<std::byte>;

/// A network of a test's own, with a tap in it. Its thread alone is in there.
class Namespace {
  public:
    explicit Namespace(short flags = 0) : flags_{static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags)}
    {
        if (::unshare(CLONE_NEWNET) != 0) return;
        fd_ = UniqueFd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
        auto request = interface("ptap0");
        request.ifr_flags = flags_;
        made_ = ::ioctl(fd_.get(), TUNSETIFF, &request) == 0 && ::ioctl(fd_.get(), TUNSETPERSIST, 1UL) == 0;
        UniqueFd const control{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        request.ifr_flags = IFF_UP;
        made_ = made_ && ::ioctl(control.get(), SIOCSIFFLAGS, &request) == 0;
    }
    Namespace(Namespace const&) = delete;
    Namespace& operator=(Namespace const&) = delete;
    ~Namespace()
    {
        if (made_) remove();
    }

    [[nodiscard]] bool made() const { return made_; }
    /// Lets go of the tap, for the one who is tested.
    void release() { fd_.reset(); }
    void remove()
    {
        UniqueFd const fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
        auto request = interface("ptap0");
        request.ifr_flags = flags_;
        if (::ioctl(fd.get(), TUNSETIFF, &request) == 0) ::ioctl(fd.get(), TUNSETPERSIST, 0UL);
    }

    static ifreq interface(char const* name)
    {
        ifreq request{};
        std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        return request;
    }

  private:
    short const flags_;
    UniqueFd fd_;
    bool made_ = false;
};

/// The host's end: raw frames on the interface.
class HostEnd {
  public:
    HostEnd() : fd_{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))}
    {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(::if_nametoindex("ptap0"));
        REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        timeval const patience{10, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    void send(Bytes const& frame) const { REQUIRE(::send(fd_.get(), frame.data(), frame.size(), 0) > 0); }
    /// The next frame of our own kind.
    [[nodiscard]] Bytes receive() const
    {
        for (;;) {
            Bytes frame(70000);
            auto const size = ::recv(fd_.get(), frame.data(), frame.size(), 0);
            if (size < 0) return {};
            frame.resize(static_cast<std::size_t>(size));
            if (frame.size() > 14 && frame[12] == std::byte{0x88} && frame[13] == std::byte{0xb5}) return frame;
        }
    }

  private:
    UniqueFd fd_;
};

/// Of the local experimental type (IEEE 802), which the kernel itself leaves alone.
Bytes frame_of(std::size_t size, unsigned mark)
{
    Bytes frame(size, static_cast<std::byte>(mark));
    for (std::size_t i = 0; i < 12; ++i)
        frame[i] = static_cast<std::byte>(i < 6 ? 0xff : 0x02);
    frame[12] = std::byte{0x88};
    frame[13] = std::byte{0xb5};
    return frame;
}

auto is(unsigned mark)
{
    return [mark](auto const& frame) {
        return frame.bytes.size() > 14 && frame.bytes[12] == std::byte{0x88} && frame.bytes[13] == std::byte{0xb5} &&
               frame.bytes[14] == static_cast<std::byte>(mark);
    };
}

bool send(Tap& tap, Bytes frame)
{
    std::array const pieces{iovec{frame.data(), 14}, iovec{frame.data() + 14, frame.size() - 14}};
    return tap.send({}, pieces);
}

/// False where there is no iproute2.
bool remove_tap()
{
    std::string const command = "ip link delete ptap0";
    return std::system(command.c_str()) == 0;
}

std::string complaint(std::string const& name)
{
    try {
        Tap const tap{name, 4, [](auto const&) {}};
    } catch (std::runtime_error const& error) {
        return error.what();
    }
    return "none";
}

/// Runs a test in a network namespace, on a thread of its own because there is no way back.
template <typename Body>
void in_namespace(Body body, short flags = 0)
{
    bool made = false;
    std::async(std::launch::async, [&] {
        Namespace space{flags};
        made = space.made();
        if (made) body(space);
    }).get();
    if (!made) WARN("not tested: needs /dev/net/tun and the right to make a network namespace (run as root)");
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
        tap.resume();
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

TEST_CASE("A tap of several queues has one for each channel, of which the kernel uses the open ones", "[net][tap]")
{
    auto const in_use = [](std::size_t channels, std::size_t queues) {
        in_namespace(
            [=](Namespace& space) {
                space.release();
                testing::RecordingReceiver guest;
                HostEnd const host;
                Tap tap{"ptap0", queues, [](auto const&) {}};
                tap.start(guest);
                auto const use = [&](std::size_t count) {
                    tap.use_channels(count);
                    std::promise<void> done;
                    tap.runner()->run([&] { done.set_value(); }); // runs behind that
                    done.get_future().get();
                };
                use(channels);
                tap.listen({});
                for (unsigned channel = 0; channel < channels; ++channel) {
                    auto frame = frame_of(60, 10 + channel);
                    std::array const pieces{iovec{frame.data(), frame.size()}};
                    REQUIRE(tap.send_on(channel, {}, pieces));
                    CHECK(host.receive() == frame);
                }
                // Of many sources, which the kernel spreads over the queues.
                for (unsigned i = 0; i < 32; ++i) {
                    auto frame = frame_of(60, 100 + i);
                    frame[11] = static_cast<std::byte>(i);
                    host.send(frame);
                    CHECK(guest.wait_for(is(100 + i)));
                }
                use(1);
                for (unsigned i = 0; i < 32; ++i) {
                    auto frame = frame_of(60, 150 + i);
                    frame[11] = static_cast<std::byte>(i);
                    host.send(frame);
                    CHECK(guest.wait_for(is(150 + i)));
                }
            },
            IFF_MULTI_QUEUE);
    };
    in_use(4, 4);
    in_use(2, 4); // fewer channels than queues
    in_use(3, 2); // and more
}

TEST_CASE("A tap of several queues is noticed to be removed", "[net][tap]")
{
    in_namespace(
        [](Namespace& space) {
            space.release();
            testing::RecordingReceiver guest;
            std::atomic<unsigned> reports{0};
            Tap tap{"ptap0", 4, [&](auto const&) {
                        ++reports;
                        reports.notify_all();
                    }};
            tap.start(guest);
            if (!remove_tap()) return;
            reports.wait(0);
            tap.stop();
            CHECK(reports == 1);
        },
        IFF_MULTI_QUEUE);
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
