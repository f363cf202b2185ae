#include "devices/net/testing/tap_host.hpp"

#include <array>
#include <atomic>
#include <future>

namespace devices::net {

namespace {

using testing::frame_of;
using testing::HostEnd;
using testing::in_namespace;
using testing::is;
using testing::Namespace;
using testing::remove_tap;

} // namespace

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

} // namespace devices::net
