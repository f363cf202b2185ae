#include "devices/vmbus/network/testing/nic_guest.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/threads.hpp"

#include <atomic>
#include <optional>

namespace devices::network {

using testing::Bytes;
using testing::NicGuest;

namespace {

constexpr std::size_t frame_size = 300; // of those that the guest receives

/// What the guest does, and the frames that it has taken.
struct Driver {
    void take(unsigned channel)
    {
        std::optional<std::uint64_t> completed; // once for a packet, which may bring several frames
        for (auto const& frame : guest.take_frames(channel)) {
            ++frames;
            if (frame.bytes != Bytes(frame_size, std::byte{7})) ++others;
            if (completed == frame.transaction) continue;
            guest.complete(frame, channel);
            completed = frame.transaction;
        }
    }
    void round(unsigned number)
    {
        guest.set_up();
        bool const two = number % 2 == 0;
        if (two) {
            guest.ask(nvsp::SubChannelRequest{nvsp::Type::SubChannel, 1, 1});
            guest.open(1);
        }
        guest.listen();
        for (unsigned i = 0; i < 20; ++i) {
            guest.send_section(NicGuest::packet_message(Bytes(60, std::byte{1})));
            guest.send_gpa(NicGuest::packet_message(Bytes(400, std::byte{2})));
            take(0);
            if (two) take(1);
        }
        if (number % 3 == 0) guest.control(rndis::Type::Reset, testing::bytes_of(std::uint32_t{0}));
        if (two && number % 4 == 0) guest.close(1); // else it goes with the primary channel
        guest.patient = false;                      // the channel is closed with this on its way
        guest.send_gpa(NicGuest::packet_message(Bytes(400, std::byte{3})));
        guest.patient = true;
        guest.close();
        if (two && number % 4 != 0) guest.close(1);
    }

    NicGuest& guest;
    std::size_t frames = 0;
    std::size_t others = 0;
};

} // namespace

TEST_CASE("a guest opens, resets and closes its card while frames come, its cable is pulled and it is looked at",
          "[net][nic][threads]")
{
    constexpr unsigned rounds = 50;
    NicGuest guest{2, {true, true}, 64};
    guest.backend->has_thread = true;
    guest.patient = true;
    Driver driver{guest};
    std::atomic<bool> done{false};

    hv::testing::run_together({
        [&] { // the guest
            for (unsigned i = 0; i < rounds; ++i)
                driver.round(i);
            done = true;
        },
        [&] { // the backend
            while (!done) {
                bool const more = guest.backend->waiting() < 100;
                more ? guest.backend->deliver({{}, Bytes(frame_size, std::byte{7})})
                     : guest.backend->deliver_waiting();
                guest.backend->run_thread();
            }
        },
        [&] { // whoever controls the run
            for (bool up = false; !done; up = !up) {
                guest.nic->set_link(up);
                hv::testing::Inspected seen;
                guest.bus.devices.at(0)->inspect(seen);
            }
            guest.nic->set_link(true);
        },
    });
    CHECK(driver.others == 0);
    CHECK(guest.complaints.empty());
    while (guest.backend->run_thread()) { // a task for each channel, perhaps
    }
    guest.backend->has_thread = false;

    guest.set_up();
    guest.listen();
    while (guest.backend->waiting() > 0) { // those that had come last
        guest.backend->deliver_waiting();
        driver.take(0);
    }
    auto const before = driver.frames;
    guest.backend->deliver({{}, Bytes(frame_size, std::byte{7})});
    driver.take(0);
    CHECK(driver.frames == before + 1);
    CHECK(driver.others == 0);
}

} // namespace devices::network
