/// Devices use channels and GPADLs on threads of their own while the guest's VPs signal and its bus closes what they
/// use. Meant for ThreadSanitizer.
#include "hv/testing/bus_guest.hpp"
#include "hv/testing/threads.hpp"

#include <atomic>
#include <mutex>

using namespace hv;
using namespace hv::testing;
using namespace hv::vmbus;

namespace {

/// Answers packets on the signalling VP's thread, and touches a GPADL on a thread of its own.
class BusyDevice final : public ChannelDevice {
  public:
    void open(std::shared_ptr<Channel> channel) override
    {
        std::lock_guard const guard{lock_};
        channel_ = std::move(channel);
    }
    void signalled() override
    {
        std::lock_guard const guard{lock_};
        if (!channel_) return;
        Packet packet;
        while (channel_->incoming().next(packet) == IncomingRing::Next::Taken)
            (void)channel_->outgoing().complete(packet.transaction(), packet.payload);
        channel_->publish();
    }
    void close() override
    {
        std::lock_guard const guard{lock_};
        channel_.reset();
    }
    void quiesce(StillBusy) override {}
    void resume() override {}
    void visit(StateVisitor&) override {}

    /// As an I/O under way would: it keeps the channel while it uses its memory.
    void work(GpadlId id)
    {
        std::shared_ptr<Channel> channel;
        {
            std::lock_guard const guard{lock_};
            channel = channel_;
        }
        if (!channel) return;
        auto const gpadl = channel->gpadl(id);
        if (!gpadl) return;
        std::array<std::byte, 16> const bytes{};
        gpadl->write(8, bytes.data(), bytes.size());
        channel->interrupt();
    }

  private:
    std::mutex lock_;
    std::shared_ptr<Channel> channel_;
};

/// Its first VP's part.
struct Driver {
    /// Waits for messages of a type; others are taken and dropped. False when time is over.
    bool hear(Type type, unsigned count)
    {
        while (time.lasts()) {
            auto const message = guest.slot.take();
            if (!message)
                std::this_thread::yield();
            else if (static_cast<Type>(message->payload[0]) == type && --count == 0)
                return true;
        }
        return false;
    }
    /// Opens the channel, uses it and closes it.
    bool round()
    {
        std::memset(guest.guest.ram.get() + 16 * page_size, 0, 8 * page_size);
        GuestRing const to_host{guest.guest.ram.get() + 16 * page_size, 4};
        guest.say_bytes(BusGuest::gpadl_message(1, 1, 8, BusGuest::ring_pages));
        guest.say_bytes(BusGuest::gpadl_message(1, 2, 2, {30, 31}));
        if (!hear(Type::GpadlCreated, 2)) return false;
        abi::OpenChannel open{};
        open.header.type = Type::OpenChannel;
        open.channel = 1;
        open.ring_gpadl = 1;
        open.downstream_page = 4;
        guest.say(open);
        if (!hear(Type::OpenChannelResult, 1)) return false;
        for (std::uint64_t i = 0; i < 20; ++i) {
            to_host.write(abi::PacketType::DataInband, i, i);
            (void)fast_call(guest.guest, abi::CallCode::SignalEvent, 0x00F0'0001);
        }
        guest.say(abi::GpadlTeardown{{Type::GpadlTeardown, 0}, 1, 2});
        guest.say(abi::ChannelMessage{{Type::CloseChannel, 0}, 1});
        guest.say(abi::GpadlTeardown{{Type::GpadlTeardown, 0}, 1, 1});
        return hear(Type::GpadlTorndown, 2);
    }

    BusGuest& guest;
    Patience const time{std::chrono::seconds{60}};
};

} // namespace

TEST_CASE("a channel closes and its memory goes back while device and VPs use it, and each GPADL is told torn down",
          "[threads][vmbus]")
{
    constexpr unsigned rounds = 60;
    BusGuest guest;
    auto const device = std::make_shared<BusyDevice>();
    guest.bus->offer({.interface = interface_a, .instance = instance_a}, device);
    guest.contact();
    REQUIRE(guest.offers().size() == 1);

    std::atomic<bool> done{false};
    unsigned finished = 0;
    Driver driver{guest};
    run_together({
        [&] { // the guest's first VP
            while (finished < rounds && driver.round())
                ++finished;
            done = true;
        },
        [&] { // another one
            while (!done)
                device->signalled();
        },
        [&] { // the device's own thread
            while (!done)
                device->work(GpadlId{2});
        },
        [&] { // the event loop
            while (!done) {
                guest.executor->advance(std::chrono::milliseconds{1});
                std::this_thread::yield();
            }
        },
    });
    CHECK(finished == rounds);
}
