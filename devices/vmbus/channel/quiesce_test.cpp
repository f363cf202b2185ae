/// What a guest that is paused while its devices are busy finds in its memory: nothing that was not there when they
/// had come to rest. And what has waited comes, once each, when they are resumed.
#include "devices/block/testing/recording_backend.hpp"
#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/keyboard/keyboard.hpp"
#include "devices/vmbus/network/testing/nic_guest.hpp"
#include "devices/vmbus/services/heartbeat.hpp"
#include "devices/vmbus/services/key_value.hpp"
#include "devices/vmbus/services/shutdown.hpp"
#include "devices/vmbus/services/testing/ic_guest.hpp"
#include "devices/vmbus/services/time_sync.hpp"
#include "devices/vmbus/socket/connection.hpp"
#include "devices/vmbus/socket/testing/socket_guest.hpp"
#include "devices/vmbus/storage/storage_controller.hpp"
#include "devices/vmbus/storage/testing/storage_guest.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/rest.hpp"
#include "hv/testing/snapshot.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <sys/socket.h>
#include <vector>

namespace devices::vmbus {

namespace {

using namespace std::chrono_literals;
using hv::testing::Rest;
using hv::testing::snapshot;

std::vector<std::byte> snapshot(devices::testing::DeviceChannel const& channel)
{
    auto const pages = channel.pages();
    return {pages.begin(), pages.end()};
}

/// A controller with one disk, whose backend answers when it is told to.
struct BusyStorage {
    static constexpr std::uint32_t page = hv::page_size;

    BusyStorage()
    {
        add(0);
        guest.emplace(bus.devices[0]);
        guest->initialise();
        blocks[0]->later = true;
    }
    void add(std::size_t lun)
    {
        auto backend = std::make_unique<block::testing::RecordingBackend>(block::Properties{.size = 4 << 20});
        blocks.push_back(backend.get());
        for (std::size_t i = 0; i < backend->disk.size(); ++i)
            backend->disk[i] = static_cast<std::byte>(i / page + 1);
        REQUIRE(controller.add(
            lun, std::make_shared<storage::Disk>(scsi::DeviceType::Disk, std::move(backend), "serial")));
    }
    /// Sends a command about the n-th page of disk and memory.
    void send(scsi::OpCode what, std::uint32_t n)
    {
        auto const cdb = scsi::testing::cdb10(what, n * (page / 512), page / 512);
        auto const header = hv::testing::gpa_direct_header(page, 0, {hv::testing::TestChannel::free_page(n)});
        guest->send_direct(storage::testing::StorageGuest::command(cdb, page, what == scsi::OpCode::Read10), header,
                           n);
    }
    [[nodiscard]] std::vector<std::uint64_t> answers()
    {
        std::vector<std::uint64_t> ids;
        while (auto const answer = guest->answer()) {
            if (answer->header.operation == storage::Operation::CompleteIo) ids.push_back(answer->id);
            CHECK(answer->header.status == storage::PacketStatus::Success);
        }
        return ids;
    }
    void quiesce(Rest& rest)
    {
        controller.quiesce(rest.busy());
        bus.devices[0]->quiesce(rest.last());
    }
    void resume()
    {
        controller.resume();
        bus.devices[0]->resume();
    }

    storage::testing::OfferedDevices bus;
    storage::StorageController controller{bus, 0, 0};
    std::vector<block::testing::RecordingBackend*> blocks;
    std::optional<storage::testing::StorageGuest> guest;
};

std::vector<std::byte> receive_buffer(network::testing::NicGuest& guest)
{
    auto const& memory = *guest.channel().gpadls.at(network::testing::NicGuest::receive_gpadl);
    std::vector<std::byte> all(memory.size());
    memory.read(0, all.data(), all.size());
    return all;
}

} // namespace

TEST_CASE("a quiesced disk's answers wait, and come once each", "[storage][quiesce]")
{
    BusyStorage disk;
    constexpr std::uint32_t reads = 20;
    for (std::uint32_t n = 0; n < reads; ++n)
        disk.send(scsi::OpCode::Read10, n);
    for (std::uint32_t n = reads; n < 30; ++n)
        disk.send(scsi::OpCode::Write10, n);
    for (unsigned i = 0; i < 3; ++i)
        REQUIRE(disk.blocks[0]->answer_next());

    Rest rest;
    disk.quiesce(rest);
    CHECK(rest.reached());
    disk.send(scsi::OpCode::Read10, 40); // what a VP did just before it was taken out
    auto const before = snapshot(disk.guest->channel->memory());
    while (disk.blocks[0]->answer_next()) {
    }
    disk.bus.devices[0]->signalled();
    disk.add(1); // of which the guest is to be told
    disk.bus.executor.crank();
    CHECK(snapshot(disk.guest->channel->memory()) == before);

    disk.resume();
    disk.bus.executor.crank();
    while (disk.blocks[0]->answer_next()) {
    }
    auto ids = disk.answers();
    CHECK(std::ranges::is_sorted(ids));
    CHECK(ids.size() == 31);
    CHECK(std::ranges::adjacent_find(ids) == ids.end());
    for (std::uint32_t n = 0; n < reads; ++n)
        CHECK(*disk.guest->data(n) == static_cast<std::byte>(n + 1));
    CHECK(*disk.guest->data(40) == static_cast<std::byte>(41));
}

TEST_CASE("a guest that ends while its disks are quiesced leaves nothing behind", "[storage][quiesce]")
{
    BusyStorage disk;
    for (std::uint32_t n = 0; n < 5; ++n)
        disk.send(scsi::OpCode::Read10, n);
    Rest rest;
    disk.quiesce(rest);
    REQUIRE(disk.blocks[0]->answer_next());
    auto const device = disk.bus.devices[0];
    SECTION("the channel is closed")
    {
        device->close();
        disk.resume();
        while (disk.blocks[0]->answer_next()) {
        }
        CHECK(disk.answers().empty());
    }
    SECTION("the controller ends")
    {
        CHECK(disk.controller.end(10s) == 0);
    }
}

TEST_CASE("a quiesced network card's frames wait with its backend", "[net][nic][quiesce]")
{
    network::testing::NicGuest guest;
    guest.set_up();
    guest.listen();
    REQUIRE(guest.backend->deliver({{}, network::testing::Bytes(100)}));
    Rest rest;
    guest.nic->quiesce(rest.busy());
    guest.bus.devices.at(0)->quiesce(rest.last());
    CHECK(rest.reached());
    // What a VP did just before it was taken out.
    guest.channel().send(std::vector<std::byte>(40), 7, hv::abi::packet_flag_completion_requested);
    auto const rings = snapshot(guest.channel());
    auto const buffer = receive_buffer(guest);

    SECTION("frames")
    {
        for (unsigned i = 0; i < 10; ++i)
            guest.backend->deliver({{}, network::testing::Bytes(101 + i)});
    }
    SECTION("the cable")
    {
        guest.nic->set_link(false);
    }
    guest.bus.devices.at(0)->signalled();
    guest.bus.executor.crank();
    CHECK(snapshot(guest.channel()) == rings);
    CHECK(receive_buffer(guest) == buffer);

    bool const link = guest.nic->link_up();
    guest.bus.devices.at(0)->resume();
    guest.nic->resume();
    guest.bus.executor.crank();
    guest.backend->deliver_waiting();
    if (link) {
        auto const frames = guest.take_frames();
        REQUIRE(frames.size() >= 1);
        for (std::size_t i = 0; i < frames.size(); ++i)
            CHECK(frames[i].bytes.size() == 100 + i);
    } else {
        CHECK(guest.take_transfers(network::nvsp::control_channel).size() == 1);
    }
    CHECK(guest.channel().to_host.used() == 0);
}

TEST_CASE("a quiesced service asks nothing, and goes on where it was", "[services][quiesce]")
{
    testing::IcGuest guest;
    auto const heartbeat = std::make_shared<HeartbeatService>(guest.executor);
    guest.open(heartbeat, {3, 0});
    auto const first = guest.next();
    REQUIRE(first);
    guest.answer(*first, ic::status::success, first->body);

    Rest rest;
    heartbeat->quiesce(rest.last());
    CHECK(rest.reached());
    guest.channel->send(std::vector<std::byte>(64)); // just before
    auto const before = snapshot(*guest.channel);
    heartbeat->signalled();
    guest.executor.advance(60s);
    CHECK(snapshot(*guest.channel) == before);

    heartbeat->resume();
    guest.executor.crank();
    CHECK(guest.next());
    CHECK_FALSE(guest.next());
    CHECK(heartbeat->status().state == HeartbeatService::State::Ok);
    CHECK(testing::inspected(*heartbeat, "ignored_packets") == "1");
}

TEST_CASE("what is asked of a quiesced service is refused", "[services][quiesce]")
{
    testing::IcGuest guest;
    std::optional<ShutdownService::Result> answer;
    auto const shutdown = std::make_shared<ShutdownService>(guest.executor);
    guest.open(shutdown, {3, 2});
    Rest rest;
    shutdown->quiesce(rest.last());
    auto const before = snapshot(*guest.channel);
    shutdown->request(ShutdownService::What::PowerOff, [&](ShutdownService::Result result) { answer = result; });
    CHECK(answer == ShutdownService::Result::NotReady);
    CHECK(snapshot(*guest.channel) == before);
    shutdown->resume();
    shutdown->request(ShutdownService::What::PowerOff, [&](ShutdownService::Result result) { answer = result; });
    CHECK(guest.next());
}

TEST_CASE("a quiesced keyboard strikes no key", "[keyboard][quiesce]")
{
    hv::testing::CrankedExecutor executor;
    auto const device = std::make_shared<Keyboard>(executor);
    auto const channel = std::make_shared<devices::testing::DeviceChannel>(2);
    channel->connect(device.get());
    device->open(channel);
    keyboard::ProtocolRequest const request{keyboard::MessageType::ProtocolRequest, keyboard::version_1_0};
    channel->send(std::as_bytes(std::span{&request, 1}));
    REQUIRE(channel->receive());

    Rest rest;
    device->quiesce(rest.last());
    CHECK(rest.reached());
    channel->send(std::vector<std::byte>(16));
    auto const before = snapshot(*channel);
    CHECK_FALSE(device->strike(ScanCode{0x1E}, Keyboard::Stroke::Press));
    device->signalled();
    executor.crank();
    CHECK(snapshot(*channel) == before);

    device->resume();
    executor.crank();
    CHECK(channel->to_host.used() == 0);
    CHECK(device->strike(ScanCode{0x1E}, Keyboard::Stroke::Press));
    CHECK(channel->receive());
    CHECK_FALSE(channel->receive());
}

TEST_CASE("what comes for a quiesced connection waits in its socket", "[vsock][quiesce]")
{
    hv::testing::CrankedExecutor executor;
    auto const poller = std::make_shared<socket::Poller>();
    auto [ours, theirs] = socket::testing::socket_pair();
    auto const connection = std::make_shared<socket::Connection>(
        socket::Connection::Parts{1, std::move(ours), {}, poller, [] {}}, executor);
    auto const channel = std::make_shared<devices::testing::DeviceChannel>(8);
    channel->connect(connection.get());
    connection->open(channel);
    socket::testing::write_all(theirs, "one ");
    connection->host_ready();

    Rest rest;
    connection->quiesce(rest.last());
    CHECK(rest.reached());
    channel->send(socket::testing::packet_of("from the guest"));
    auto const before = snapshot(*channel);
    socket::testing::write_all(theirs, "two");
    connection->host_ready();
    connection->signalled();
    executor.crank();
    CHECK(snapshot(*channel) == before);
    CHECK(socket::testing::read_some(theirs).empty());

    connection->resume();
    executor.crank();
    CHECK(socket::testing::receive(*channel).text == "one two");
    CHECK(socket::testing::read_some(theirs) == "from the guest");
    connection->close();
}

} // namespace devices::vmbus
