/// A guest that refills a ring faster than it is drained captures no thread: whoever signals, the runner, whoever
/// looks at the device and whoever closes the channel all come through.
#include "devices/block/testing/recording_backend.hpp"
#include "devices/testing/refilled_ring.hpp"
#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/keyboard/keyboard.hpp"
#include "devices/vmbus/network/testing/nic_guest.hpp"
#include "devices/vmbus/services/heartbeat.hpp"
#include "devices/vmbus/socket/connection.hpp"
#include "devices/vmbus/socket/protocol.hpp"
#include "devices/vmbus/socket/testing/socket_guest.hpp"
#include "devices/vmbus/storage/storage_controller.hpp"
#include "devices/vmbus/storage/testing/storage_guest.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/threads.hpp"

#include <array>
#include <atomic>
#include <sys/socket.h>

namespace devices::vmbus {

namespace {

using devices::testing::DeviceChannel;
using devices::testing::RefilledRing;

constexpr unsigned rounds = 50;
constexpr hv::abi::PacketDescriptor inband{hv::abi::PacketType::DataInband, 0, 0, 0, 0};

struct Attack {
    hv::vmbus::ChannelDevice& device;
    hv::testing::CrankedExecutor& runner;
    hv::GuestMemory memory{};
    hv::abi::PacketDescriptor descriptor = inband;
    std::vector<std::byte> header{};
    std::vector<std::byte> payload{};
};

/// Returns the most tasks that were ever due.
std::size_t carry_out(Attack const& attack)
{
    auto const channel = std::make_shared<DeviceChannel>(8, attack.memory);
    RefilledRing const ring{channel->to_host, attack.descriptor, attack.header, attack.payload};
    std::atomic<bool> done{false};
    std::atomic<std::size_t> most{0};
    auto const vp = [&] {
        while (!done)
            attack.device.signalled();
    };
    hv::testing::run_together({vp, vp,
                               [&] { // the event loop
                                   for (unsigned i = 0; i < rounds; ++i) {
                                       attack.device.open(channel);
                                       for (unsigned n = 0; n < 20; ++n) {
                                           most = std::max(most.load(), attack.runner.tasks());
                                           (void)attack.runner.crank_one();
                                       }
                                       hv::testing::Inspected seen;
                                       attack.device.inspect(seen);
                                       attack.device.close();
                                   }
                                   done = true;
                               }});
    attack.runner.crank();
    return most;
}

std::vector<std::byte> bytes_of(auto const& value)
{
    auto const bytes = std::as_bytes(std::span{&value, 1});
    return {bytes.begin(), bytes.end()};
}

} // namespace

TEST_CASE("a storage ring that is refilled without end captures nobody", "[storage][threads][hostile]")
{
    using namespace devices::storage;
    using storage::testing::StorageGuest;
    storage::testing::OfferedDevices bus;
    StorageController controller{bus, 0, 1};
    auto blocks = std::make_unique<block::testing::RecordingBackend>(block::Properties{.size = 4 << 20});
    REQUIRE(controller.add(0, std::make_shared<Disk>(scsi::DeviceType::Disk, std::move(blocks), "serial")));
    storage::testing::StorageGuest guest{bus.devices[0]}; // up to version and sub-channel
    guest.initialise();
    REQUIRE(guest.operate(Operation::CreateSubChannels, 1).header.status == PacketStatus::Success);

    std::vector<std::byte> memory(4 * hv::page_size);
    auto* const page =
        memory.data() + hv::page_size - reinterpret_cast<std::uintptr_t>(memory.data()) % hv::page_size;
    Attack attack{.device = *bus.devices[1], .runner = bus.executor};
    attack.memory.add({hv::Gpa{0}, 2 * hv::page_size, page});
    SECTION("by commands")
    {
        auto const read = scsi::testing::cdb10(scsi::OpCode::Read10, 0, 8);
        attack.descriptor.type = hv::abi::PacketType::DataUsingGpaDirect;
        attack.header = hv::testing::gpa_direct_header(hv::page_size, 0, {0});
        attack.payload = bytes_of(StorageGuest::command(read, hv::page_size, true));
    }
    SECTION("by what makes no sense")
    {
        attack.payload = bytes_of(storage::testing::SentPacket{});
    }
    CHECK(carry_out(attack) <= 1);
}

TEST_CASE("a service's or the keyboard's ring that is refilled without end captures nobody",
          "[services][keyboard][threads][hostile]")
{
    hv::testing::CrankedExecutor executor;
    std::shared_ptr<hv::vmbus::ChannelDevice> device;
    SECTION("heartbeat")
    {
        device = std::make_shared<HeartbeatService>(executor);
    }
    SECTION("keyboard")
    {
        device = std::make_shared<Keyboard>(executor);
    }
    CHECK(carry_out({.device = *device, .runner = executor}) <= 1);
}

TEST_CASE("a socket's ring that is refilled without end captures nobody", "[socket][threads][hostile]")
{
    hv::testing::CrankedExecutor executor;
    auto const poller = std::make_shared<socket::Poller>();
    auto [ours, theirs] = socket::testing::socket_pair();
    auto const connection = std::make_shared<socket::Connection>(
        socket::Connection::Parts{1, std::move(ours), {}, poller, [] {}}, executor);
    auto const channel = std::make_shared<DeviceChannel>(8);
    socket::PacketHeader const header{socket::packet_data, 128};
    std::vector<std::byte> payload(sizeof header + 128);
    std::memcpy(payload.data(), &header, sizeof header);
    RefilledRing const ring{channel->to_host, inband, {}, payload};
    std::atomic<bool> done{false};
    std::atomic<std::size_t> most{0};
    auto const vp = [&] {
        while (!done)
            connection->signalled();
    };
    hv::testing::run_together({vp, vp, [&, host = theirs.get()] { // the relay's thread, and the program on the host
                                   connection->open(channel);
                                   std::array<char, 4096> bytes{};
                                   for (unsigned i = 0; i < rounds * 20; ++i) {
                                       (void)::recv(host, bytes.data(), bytes.size(), MSG_DONTWAIT);
                                       connection->host_ready();
                                       most = std::max(most.load(), executor.tasks());
                                       (void)executor.crank_one();
                                   }
                                   connection->close();
                                   done = true;
                               }});
    CHECK(most <= 1);
}

TEST_CASE("a network card's ring that is refilled without end captures nobody", "[net][nic][threads][hostile]")
{
    network::testing::NicGuest guest;
    std::vector<std::byte> payload;
    SECTION("by messages")
    {
        payload = bytes_of(network::nvsp::Type::OidQueryEx);
    }
    SECTION("by frames")
    {
        payload = bytes_of(network::nvsp::SendRndisPacket{network::nvsp::Type::SendRndisPacket,
                                                          network::nvsp::data_channel, network::nvsp::no_section, 0});
    }
    CHECK(carry_out({.device = *guest.bus.devices.at(0), .runner = guest.bus.executor, .payload = payload}) <= 1);
}

TEST_CASE("signals for packets that wait leave one task", "[services][keyboard][hostile]")
{
    hv::testing::CrankedExecutor executor;
    std::shared_ptr<hv::vmbus::ChannelDevice> device;
    SECTION("service")
    {
        device = std::make_shared<HeartbeatService>(executor);
    }
    SECTION("keyboard")
    {
        device = std::make_shared<Keyboard>(executor);
    }
    auto const channel = std::make_shared<DeviceChannel>(8);
    device->open(channel);
    while (channel->send(std::vector<std::byte>(64))) {
    }
    for (unsigned i = 0; i < 100'000; ++i)
        device->signalled();
    CHECK(executor.tasks() == 1);
    executor.crank();
    CHECK(channel->to_host.used() == 0);
    device->close();
}

} // namespace devices::vmbus
