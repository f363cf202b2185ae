/// Monitor pages under traffic: guests pull triggers while the scanner looks and ports come and go (TLFS 2.0a §14.5).
/// Meant for ThreadSanitizer.
#include "hv/testing/monitor_fabric.hpp"
#include "hv/testing/threads.hpp"

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;
using abi::CallCode;
using abi::PortType;

namespace {

constexpr auto self = self_partition.value;

/// What the event loop does: scans when it is due, or asked for.
void scan_until(MonitorFabric& f, std::atomic<bool> const& done)
{
    std::optional<MonitorScanner::Time> next;
    unsigned answered = 0;
    while (!done) {
        auto const now = MonitorScanner::Clock::now();
        auto const wishes = f.host.wishes.load();
        if (wishes != answered || (next && *next <= now)) {
            answered = wishes;
            next = f.scanner.scan(now);
        } else {
            std::this_thread::yield();
        }
    }
}

} // namespace

TEST_CASE("no trigger is lost between guests that pull and the scanner that clears (TLFS 2.0a 14.8.9.1)", "[threads]")
{
    MonitorFabric f;
    f.now = MonitorScanner::Clock::now();
    f.set_up(1);
    for (unsigned n = 0; n < 64; ++n)
        f.page.describe(n, 2, static_cast<std::uint16_t>(n), 1);
    f.page.enable(3);
    std::atomic<bool> done{false};
    std::atomic<unsigned> pulling{2};
    std::array<unsigned, 2> pulled{};
    unsigned lost = 0;
    auto const pull = [&](unsigned first, unsigned& count) {
        Patience const time{800ms};
        Choices choices{first};
        for (; time.lasts(); ++count) {
            auto const n = first + choices.below(32);
            f.page.trigger(n);
            Patience const soon{20s};
            while (!f.take(n)) { // the flag has to come
                if (!soon.lasts()) {
                    ++lost;
                    break;
                }
                std::this_thread::yield();
            }
        }
        if (--pulling == 0) done = true;
    };
    run_together({
        [&] { pull(0, pulled[0]); },
        [&] { pull(32, pulled[1]); },
        [&] { scan_until(f, done); },
    });
    CHECK(lost == 0);
    CHECK(pulled[0] > 0);
    CHECK(pulled[1] > 0);
}

TEST_CASE("monitor ports and connections that come and go under the scanner leave pools and pages whole", "[threads]")
{
    MonitorFabric f;
    auto const receiver_pool = f.receiver.partition->pool().free_bytes();
    auto const sender_pool = f.sender.partition->pool().free_bytes();
    std::atomic<bool> done{false};
    std::array<unsigned, 2> made{};
    run_together({
        [&] { // the receiver makes and deletes the port
            Patience const time{1000ms};
            Choices choices{1};
            while (time.lasts()) {
                made[0] += f.create(3, monitor_port(MonitorFabric::receiver_gpa)) == Status::Success;
                for (auto n = choices.below(50); n > 0; --n)
                    std::this_thread::yield();
                (void)f.remove(3);
            }
            done = true;
        },
        [&] { // one VP of the sender connects and disconnects
            Choices choices{2};
            while (!done) {
                made[1] += f.connect_monitor() == Status::Success;
                for (auto n = choices.below(50); n > 0; --n)
                    std::this_thread::yield();
                (void)f.disconnect(3);
            }
        },
        [&] { // and another writes to the page, or to what lies under it
            Choices choices{3};
            GuestMonitorPage const page{f.sender, MonitorFabric::sender_gpa};
            while (!done) {
                auto const n = choices.below(128);
                page.describe(n, 2, static_cast<std::uint16_t>(n), 1);
                page.enable(0xF);
                page.trigger(n);
                abi::SignalEventInput const input{2, 1, 0};
                (void)call(f.sender, CallCode::SignalEvent, input, 1);
            }
        },
        [&] { scan_until(f, done); },
    });
    (void)f.disconnect(3);
    (void)f.remove(3);
    CHECK(made[0] > 0);
    CHECK(f.receiver.partition->pool().free_bytes() == receiver_pool);
    CHECK(f.sender.partition->pool().free_bytes() == sender_pool);
    f.scan();
    CHECK_FALSE(f.next);
}

TEST_CASE("a partition can be taken away while the scanner signals for it, or to it", "[threads]")
{
    MonitorFabric f;
    std::atomic<bool> done{false};
    unsigned rounds = 0;
    unsigned failures = 0;
    run_together({
        [&] {
            Patience const time{1000ms};
            for (; time.lasts(); ++rounds) {
                auto guest = std::make_unique<TestGuest>(f.registry);
                start_synic(*guest);
                auto const id = guest->partition->id().value;
                auto const input = [&](std::uint32_t port, abi::PortInfo const& info, std::uint64_t peer) {
                    return abi::CreatePortInput{self, port, 0, peer, info};
                };
                auto const connect = [&](TestGuest const& from, std::uint64_t to, std::uint32_t port, PortType word) {
                    failures += call(from, CallCode::ConnectPort,
                                     abi::ConnectPortInput{self, port, 0, to, port, 0, word, 0}) != Status::Success;
                };
                // The passing guest sends by a page to the receiver in even rounds, and receives from the sender in
                // odd.
                auto const sends = rounds % 2 == 0;
                auto const& owner = sends ? f.receiver : *guest;
                auto const& sender = sends ? *guest : f.sender;
                auto const owner_id = sends ? f.receiver_id() : id;
                auto const sender_id = sends ? id : f.sender_id();
                failures += call(owner, CallCode::CreatePort, input(0x20, event_port(4, 0, 128), sender_id)) !=
                            Status::Success;
                failures += call(owner, CallCode::CreatePort, input(0x21, monitor_port(0x2'8000), sender_id)) !=
                            Status::Success;
                connect(sender, owner_id, 0x20, PortType::Event);
                connect(sender, owner_id, 0x21, PortType{0x2'9000});
                GuestMonitorPage const page{sender, 0x2'9000};
                for (unsigned n = 0; n < 128; ++n)
                    page.describe(n, 0x20, static_cast<std::uint16_t>(n), 1);
                page.enable(0xF);
                for (unsigned group = 0; group < 4; ++group)
                    page.set_group(group, ~std::uint64_t{0});
                f.host.scan_soon();
                for (unsigned n = rounds % 64; n > 0; --n)
                    std::this_thread::yield();
                f.registry.remove(*guest->partition);
                guest.reset(); // its memory and its interrupt sink with it
                for (std::uint32_t n = 0x20; n <= 0x21; ++n) {
                    (void)communication::delete_port(*f.receiver.partition, PortId{n});
                    (void)communication::disconnect(*f.sender.partition, ConnectionId{n});
                }
            }
            done = true;
        },
        [&] { scan_until(f, done); },
    });
    CHECK(failures == 0);
    CHECK(rounds > 1);
}
