/// HvCreatePort, every status of TLFS 2.0a §14.9.1, in both numberings.
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;

namespace {

/// One create, by either call code: the statuses are the same.
struct Creator {
    bool vtl;

    Status operator()(TestGuest const& caller, std::uint64_t owner, std::uint32_t port, std::uint64_t peer,
                      abi::PortInfo const& info) const
    {
        if (vtl)
            return call(caller, CallCode::CreatePortVtl,
                        abi::CreatePortVtlInput{owner, port, 0, 0, 0, peer, info, 0});
        return call(caller, CallCode::CreatePort, abi::CreatePortInput{owner, port, 0, peer, info});
    }
};

Rights without(Privilege privilege)
{
    auto rights = Rights::root();
    rights.set(privilege, false);
    return rights;
}

constexpr auto self = self_partition.value;

} // namespace

TEST_CASE("HvCreatePort: a port may be created by its own partition under either name (TLFS 2.0a 14.9.1)", "[ports]")
{
    Fabric const fabric;
    Creator const create{GENERATE(false, true)};

    CHECK(create(fabric.receiver, self, 1, fabric.sender_id(), message_port(1)) == Status::Success);
    CHECK(create(fabric.receiver, fabric.receiver_id(), 2, fabric.sender_id(), message_port(15)) == Status::Success);
    CHECK(create(fabric.receiver, self, 0xFF'FFFF, fabric.sender_id(), event_port(2, 0, 1)) == Status::Success);
    CHECK(create(fabric.receiver, self, 0, fabric.sender_id(), message_port(1, any_vp.value)) == Status::Success);
    CHECK(create(fabric.receiver, self, 3, PartitionRegistry::root_id.value, message_port(1)) == Status::Success);
}

TEST_CASE("HvCreatePort: a parent may act for its child, nobody else for anybody (TLFS 2.0a 14.9.1)", "[ports]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 2, parent.partition->id()};
    TestGuest const grandchild{registry, Rights::root(), 2, child.partition->id()};
    TestGuest const stranger{registry};
    Creator const create{GENERATE(false, true)};
    auto const child_id = child.partition->id().value;
    auto const peer = stranger.partition->id().value;

    CHECK(create(parent, child_id, 1, peer, message_port(1)) == Status::Success);
    CHECK(create(parent, child_id, 2, self, message_port(1)) == Status::Success); // SELF is the caller: the parent
    CHECK(create(stranger, child_id, 3, self, message_port(1)) == Status::AccessDenied);
    CHECK(create(child, parent.partition->id().value, 3, self, message_port(1)) == Status::AccessDenied);
    CHECK(create(parent, grandchild.partition->id().value, 3, self, message_port(1)) == Status::AccessDenied);
    CHECK(create(parent, PartitionRegistry::root_id.value, 3, self, message_port(1)) == Status::AccessDenied);
    CHECK(child.partition->ports().find(3) == 0);
}

TEST_CASE("HvCreatePort: the caller needs the CreatePort privilege, also as a parent (TLFS 2.0a 14.9.1)", "[ports]")
{
    PartitionRegistry registry;
    TestGuest const caller{registry, without(Privilege::CreatePort)};
    TestGuest const child{registry, Rights::root(), 2, caller.partition->id()};
    Creator const create{GENERATE(false, true)};

    CHECK(create(caller, self, 1, child.partition->id().value, message_port(1)) == Status::AccessDenied);
    CHECK(create(caller, child.partition->id().value, 1, self, message_port(1)) == Status::AccessDenied);
    // Without the privilege nobody learns which partitions exist (4.11.2).
    CHECK(create(caller, 999, 1, self, message_port(1)) == Status::AccessDenied);
    CHECK(create(caller, self, 1, 999, message_port(1)) == Status::AccessDenied);
}

TEST_CASE("HvCreatePort: INVALID_PARTITION_ID (TLFS 2.0a 14.9.1)", "[ports]")
{
    Fabric const fabric;
    Creator const create{GENERATE(false, true)};
    auto const& guest = fabric.receiver;

    CHECK(create(guest, 999, 1, fabric.sender_id(), message_port(1)) == Status::InvalidPartitionId);
    CHECK(create(guest, 0, 1, fabric.sender_id(), message_port(1)) == Status::InvalidPartitionId);
    CHECK(create(guest, self, 1, 999, message_port(1)) == Status::InvalidPartitionId);
    CHECK(create(guest, self, 1, 0, message_port(1)) == Status::InvalidPartitionId);
    // Port and connection partition are the same, however it is spelt.
    CHECK(create(guest, self, 1, self, message_port(1)) == Status::InvalidPartitionId);
    CHECK(create(guest, self, 1, fabric.receiver_id(), message_port(1)) == Status::InvalidPartitionId);
    CHECK(create(guest, fabric.receiver_id(), 1, self, message_port(1)) == Status::InvalidPartitionId);
    CHECK(guest.partition->ports().find(1) == 0);
}

TEST_CASE("HvCreatePort: INVALID_PARTITION_STATE when either partition is not active (TLFS 2.0a 14.9.1)", "[ports]")
{
    Fabric const fabric;
    Creator const create{GENERATE(false, true)};

    fabric.sender.partition->set_active(false);
    CHECK(create(fabric.receiver, self, 1, fabric.sender_id(), message_port(1)) == Status::InvalidPartitionState);
    fabric.sender.partition->set_active(true);
    fabric.receiver.partition->set_active(false);
    CHECK(create(fabric.receiver, self, 1, fabric.sender_id(), message_port(1)) == Status::InvalidPartitionState);
    fabric.receiver.partition->set_active(true);
    CHECK(create(fabric.receiver, self, 1, fabric.sender_id(), message_port(1)) == Status::Success);
}

TEST_CASE("HvCreatePort: INVALID_PORT_ID for an ID in use or with reserved bits (TLFS 2.0a 14.9.1)", "[ports]")
{
    Fabric const fabric;
    Creator const create{GENERATE(false, true)};
    auto const& guest = fabric.receiver;
    auto const peer = fabric.sender_id();

    REQUIRE(create(guest, self, 7, peer, message_port(1)) == Status::Success);
    CHECK(create(guest, self, 7, peer, message_port(2)) == Status::InvalidPortId);
    CHECK(create(guest, self, 7, peer, event_port(1, 0, 1)) == Status::InvalidPortId);
    for (unsigned bit = 24; bit < 32; ++bit)
        CHECK(create(guest, self, 8 | 1U << bit, peer, message_port(1)) == Status::InvalidPortId);
    // IDs are unique within a partition only.
    CHECK(create(fabric.sender, self, 7, fabric.receiver_id(), message_port(1)) == Status::Success);
}

TEST_CASE("HvCreatePort: INVALID_VP_INDEX (TLFS 2.0a 14.9.1)", "[ports]")
{
    Fabric const fabric; // two VPs each
    Creator const create{GENERATE(false, true)};
    auto const& guest = fabric.receiver;
    auto const peer = fabric.sender_id();

    CHECK(create(guest, self, 1, peer, message_port(1, 1)) == Status::Success);
    CHECK(create(guest, self, 2, peer, message_port(1, 2)) == Status::InvalidVpIndex);
    CHECK(create(guest, self, 2, peer, event_port(1, 0, 1, 2)) == Status::InvalidVpIndex);
    CHECK(create(guest, self, 2, peer, message_port(1, self_vp.value)) == Status::InvalidVpIndex);
    CHECK(create(guest, self, 2, peer, message_port(1, 0x8000'0000)) == Status::InvalidVpIndex);
}

TEST_CASE("HvCreatePort: INVALID_PARAMETER (TLFS 2.0a 14.9.1)", "[ports]")
{
    Fabric const fabric;
    Creator const create{GENERATE(false, true)};
    auto const refused = [&](abi::PortInfo const& info) {
        return create(fabric.receiver, self, 1, fabric.sender_id(), info) == Status::InvalidParameter;
    };

    SECTION("SINT not in 1 to 15")
    {
        for (std::uint32_t const sint : {0U, 16U, 17U, 0x100U, 0x8000'0001U, 0xFFFF'FFFFU}) {
            CHECK(refused(message_port(sint)));
            CHECK(refused(event_port(sint, 0, 1)));
        }
    }
    SECTION("port type")
    {
        for (std::uint32_t const type : {0U, 4U, 5U, 0x103U, 0xFFFF'FFFFU}) {
            auto info = message_port(1);
            info.type = abi::PortType{type};
            CHECK(refused(info));
        }
    }
    SECTION("flag range")
    {
        CHECK(refused(event_port(1, 0, 0)));
        CHECK(refused(event_port(1, 2047, 0)));
        CHECK(refused(event_port(1, 0, 2049)));
        CHECK(refused(event_port(1, 1, 2048)));
        CHECK(refused(event_port(1, 2048, 1)));
        CHECK(refused(event_port(1, 2047, 2)));
        CHECK(refused(event_port(1, 0xFFFF, 1))); // the sum must not wrap in 16 bits
        CHECK(refused(event_port(1, 0xFFFF, 0xFFFF)));
        CHECK_FALSE(refused(event_port(1, 0, 2048))); // base + count = 2048 is accepted
    }
    SECTION("the last flag")
    {
        CHECK_FALSE(refused(event_port(1, 2047, 1)));
    }
    SECTION("reserved fields")
    {
        auto info = message_port(1);
        info.padding = 1;
        CHECK(refused(info));
        info = message_port(1);
        info.base_flag = 1; // part of a message port's eight reserved bytes
        CHECK(refused(info));
        info = message_port(1);
        info.flag_count = 0x8000;
        CHECK(refused(info));
        info = message_port(1);
        info.reserved = 0x8000'0000;
        CHECK(refused(info));
        info = event_port(1, 0, 1);
        info.reserved = 1;
        CHECK(refused(info));
        info = event_port(1, 0, 1);
        info.padding = 0x8000'0000;
        CHECK(refused(info));
    }
}

TEST_CASE("HvCreatePort ignores the padding behind the port ID (TLFS 2.0a 4.1)", "[ports]")
{
    Fabric const fabric;
    CHECK(call(fabric.receiver, CallCode::CreatePort,
               abi::CreatePortInput{self, 1, 0xFFFF'FFFF, fabric.sender_id(), message_port(1)}) == Status::Success);
}

TEST_CASE("HvCallCreatePort knows no VTL above 0 and checks its reserved fields (0x0095)", "[ports]")
{
    Fabric const fabric;
    abi::CreatePortVtlInput const good{self, 1, 0, 0, 0, fabric.sender_id(), message_port(1), 0};
    auto const create = [&](auto change) {
        auto input = good;
        change(input);
        return call(fabric.receiver, CallCode::CreatePortVtl, input);
    };

    CHECK(create([](auto& in) { in.port_vtl = 1; }) == Status::InvalidParameter);
    CHECK(create([](auto& in) { in.min_connection_vtl = 1; }) == Status::InvalidParameter);
    CHECK(create([](auto& in) { in.reserved = 1; }) == Status::InvalidParameter);
    // HV_PROXIMITY_DOMAIN_INFO: bits 62:33 are reserved.
    CHECK(create([](auto& in) { in.proximity = std::uint64_t{1} << 33; }) == Status::InvalidProximityDomainInfo);
    CHECK(create([](auto& in) { in.proximity = std::uint64_t{1} << 62; }) == Status::InvalidProximityDomainInfo);
    CHECK(create([](auto& in) { in.proximity = 0x8000'0001'0000'0000; }) == Status::Success);
}

TEST_CASE("HvCreatePort: INSUFFICIENT_MEMORY when the pool is exhausted, and nothing lost (TLFS 2.0a 14.9.1)",
          "[ports]")
{
    PartitionRegistry registry;
    TestGuest const peer{registry};
    TestGuest const guest{registry, Rights::root(), 1, PartitionRegistry::root_id,
                          3 * 4096 + 2 * communication::port_charge};
    auto const peer_id = peer.partition->id().value;
    Creator const create{GENERATE(false, true)};

    std::uint32_t made = 0;
    while (create(guest, self, made, peer_id, message_port(1)) == Status::Success)
        REQUIRE(++made < 100);
    REQUIRE(made >= 2);
    auto const left = guest.partition->pool().free_bytes();
    CHECK(left < communication::port_charge);
    CHECK(create(guest, self, made, peer_id, message_port(1)) == Status::InsufficientMemory);
    CHECK(guest.partition->pool().free_bytes() == left);

    // What one port gives back is enough for the next.
    REQUIRE(call(guest, CallCode::DeletePort, abi::DeletePortInput{self, 0, 0}) == Status::Success);
    CHECK(create(guest, self, made, peer_id, message_port(1)) == Status::Success);
    CHECK(guest.partition->pool().free_bytes() == left);
}

TEST_CASE("the pool is whole again after ports have come and gone; only table nodes stay (TLFS 2.0a 14.2.1)",
          "[ports]")
{
    Fabric const fabric;
    auto const& pool = fabric.receiver.partition->pool();
    constexpr std::uint32_t ids[]{0, 1, 0xFF, 0x100, 0x1'0000, 0xFF'FFFF};

    for (auto const id : ids)
        REQUIRE(fabric.create(id, message_port(1)) == Status::Success);
    for (auto const id : ids)
        REQUIRE(fabric.remove(id) == Status::Success);
    auto const settled = pool.free_bytes();

    for (unsigned round = 0; round < 50; ++round) {
        for (auto const id : ids)
            REQUIRE(fabric.create(id, message_port(1)) == Status::Success);
        CHECK(pool.free_bytes() == settled - std::size(ids) * communication::port_charge);
        for (auto const id : ids)
            REQUIRE(fabric.remove(id) == Status::Success);
        CHECK(pool.free_bytes() == settled);
    }
    // A refused create costs nothing either.
    CHECK(fabric.create(1, message_port(0)) == Status::InvalidParameter);
    CHECK(fabric.create(1, message_port(1, 77)) == Status::InvalidVpIndex);
    CHECK(pool.free_bytes() == settled);
}
