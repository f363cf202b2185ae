#include "hv/abi/monitor.hpp"
#include "hv/partition/registry.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/world.hpp"
#include "vmm/machine/monitor_timer.hpp"

#include <boost/asio/io_context.hpp>

using namespace vmm;

namespace {

/// Stops the event loop with the first event.
struct StoppingHandler final : hv::PortHandler {
    boost::asio::io_context& io;
    unsigned flag = 0;

    explicit StoppingHandler(boost::asio::io_context& context) : io{context} {}
    void on_message(hv::abi::MessageType, std::span<std::byte const>) override {}
    void on_event(unsigned number) override
    {
        flag = number;
        io.stop();
    }
};

} // namespace

TEST_CASE("a trigger in a watched page is signalled by the event loop (TLFS 2.0a 14.5)", "[monitor]")
{
    boost::asio::io_context io;
    hv::PartitionRegistry registry;
    MonitorTimer timer{io, registry.monitors()};
    hv::testing::TestGuest const guest{registry};
    auto const handler = std::make_shared<StoppingHandler>(io);
    auto& root = registry.root();
    using hv::abi::PortType;
    REQUIRE(hv::communication::create_port(root, hv::PortId{1},
                                           {.type = PortType::Event,
                                            .flag_count = 8,
                                            .connection_partition = guest.partition->id(),
                                            .handler = handler}) == hv::Status::Success);
    REQUIRE(hv::communication::create_port(
                root, hv::PortId{2},
                {.type = PortType::Monitor, .connection_partition = guest.partition->id(), .handler = nullptr}) ==
            hv::Status::Success);
    REQUIRE(hv::communication::connect(*guest.partition, hv::ConnectionId{1}, root, hv::PortId{1}, PortType::Event) ==
            hv::Status::Success);
    constexpr std::uint64_t gpa = 0x8000;
    REQUIRE(hv::communication::connect(*guest.partition, hv::ConnectionId{2}, root, hv::PortId{2},
                                       {PortType::Monitor, gpa}) == hv::Status::Success);

    auto& page = *reinterpret_cast<hv::abi::MonitorPage*>(guest.ram.get() + gpa);
    page.parameter[1][7] = {1, 5, 0};
    page.trigger_group[1] = 1 << 7;
    page.trigger_state = 2;
    io.run();
    CHECK(handler->flag == 5);
    CHECK(page.trigger_group[1] == 0);
    registry.remove(*guest.partition);
}

TEST_CASE("without a page that is watched the event loop has nothing to wait for", "[monitor]")
{
    boost::asio::io_context io;
    hv::PartitionRegistry registry;
    MonitorTimer timer{io, registry.monitors()};
    timer.scan_soon();
    timer.scan_soon();
    CHECK(io.run() == 1); // one handler, and no timer
}
