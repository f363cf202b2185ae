#include "hv/partition/communication.hpp"
#include "hv/partition/inspect.hpp"
#include "hv/partition/registry.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/threads.hpp"

using namespace hv;
using namespace hv::testing;

namespace {

PortSpec port_for(PartitionId for_whom, VpIndex vp = VpIndex{0})
{
    return {.type = abi::PortType::Message,
            .sint = Sint{4},
            .target_vp = vp,
            .connection_partition = for_whom,
            .handler = nullptr};
}

} // namespace

TEST_CASE("a partition's ports and connections are told with where they lead", "[inspect]")
{
    PartitionRegistry registry;
    TestGuest owner{registry};
    TestGuest sender{registry};
    auto const message = port_for(sender.partition->id());
    REQUIRE(communication::create_port(*owner.partition, PortId{7}, message) == Status::Success);
    PortSpec const event{.type = abi::PortType::Event,
                         .sint = Sint{3},
                         .target_vp = any_vp,
                         .base_flag = 16,
                         .flag_count = 8,
                         .connection_partition = sender.partition->id(),
                         .handler = nullptr};
    REQUIRE(communication::create_port(*owner.partition, PortId{9}, event) == Status::Success);
    REQUIRE(communication::connect(*sender.partition, ConnectionId{1}, *owner.partition, PortId{7},
                                   abi::PortType::Message) == Status::Success);

    Inspected seen;
    inspect(*owner.partition, seen);
    CHECK(seen.at("parent") == "1");
    CHECK(seen.at("active") == "true");
    CHECK(seen.at("ports/count") == "2");
    CHECK(seen.at("ports/7/type") == "message");
    CHECK(seen.at("ports/7/sint") == "4");
    CHECK(seen.at("ports/7/vp") == "0");
    CHECK(seen.at("ports/7/for_partition") == std::to_string(sender.partition->id().value));
    CHECK(seen.at("ports/7/connected") == "true");
    CHECK(seen.at("ports/9/vp") == "any");
    CHECK(seen.at("ports/9/base_flag") == "16");
    CHECK(seen.at("ports/9/flags") == "8");
    CHECK(seen.at("ports/9/connected") == "false");

    REQUIRE(communication::delete_port(*owner.partition, PortId{9}) == Status::Success);
    Inspected other;
    inspect(*sender.partition, other);
    CHECK(other.at("connections/count") == "1");
    CHECK(other.at("connections/1/to_port") == "7");
    CHECK(other.at("connections/1/to_partition") == std::to_string(owner.partition->id().value));

    REQUIRE(communication::delete_port(*owner.partition, PortId{7}) == Status::Success);
    Inspected later;
    inspect(*sender.partition, later);
    CHECK(later.at("connections/1/to") == "a port that is gone");
}

TEST_CASE("a message port tells what it has accepted, and how much of it waits", "[inspect]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(7, message_port(4)) == Status::Success);
    REQUIRE(fabric.connect(1, 7, abi::PortType::Message) == Status::Success);
    for (std::uint64_t n = 0; n < 4; ++n)
        REQUIRE(fabric.post(1, n) == Status::Success);
    Inspected seen;
    inspect(*fabric.receiver.partition, seen);
    CHECK(seen.at("ports/7/messages_accepted") == "4");
    CHECK(seen.at("ports/7/messages_waiting") == "3"); // the first is in its slot
}

TEST_CASE("of very many ports the first are told, and how many there are", "[inspect]")
{
    PartitionRegistry registry;
    TestGuest guest{registry};
    unsigned const many = 3000;
    for (std::uint32_t id = 0; id < many; ++id) {
        auto const spec = port_for(PartitionId{99});
        REQUIRE(communication::create_port(*guest.partition, PortId{id * 5}, spec) == Status::Success);
    }
    Inspected seen;
    inspect(*guest.partition, seen);
    CHECK(seen.at("ports/count") == std::to_string(many));
    CHECK(seen.nodes_below("ports") == inspected_ports);
}

TEST_CASE("inspecting does not disturb those who make, use and delete ports meanwhile", "[inspect][threads]")
{
    PartitionRegistry registry;
    TestGuest owner{registry};
    TestGuest sender{registry};
    std::atomic<bool> done{false};
    run_together({[&] {
                      for (int round = 0; round < 2000; ++round) {
                          auto const spec = port_for(sender.partition->id());
                          (void)communication::create_port(*owner.partition, PortId{1}, spec);
                          (void)communication::connect(*sender.partition, ConnectionId{1}, *owner.partition,
                                                       PortId{1}, abi::PortType::Message);
                          abi::Message message{};
                          (void)communication::post(*sender.partition, ConnectionId{1}, message);
                          (void)communication::disconnect(*sender.partition, ConnectionId{1});
                          (void)communication::delete_port(*owner.partition, PortId{1});
                      }
                      done = true;
                  },
                  [&] {
                      while (!done) {
                          Inspected seen;
                          inspect(*owner.partition, seen);
                          inspect(*sender.partition, seen);
                      }
                  }});
}
