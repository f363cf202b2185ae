/// The life of partitions that a guest makes: HvCreatePartition to HvGetNextChildPartition (TLFS 2.0a §5.2.5, §5.6).
#include "hv/partition/children.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/child_host.hpp"

#include <vector>

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::PartitionProperty;

namespace {

constexpr auto self = self_partition.value;
constexpr std::uint64_t root = PartitionRegistry::root_id.value;

Status set(TestGuest const& caller, std::uint64_t partition, PartitionProperty code, std::uint64_t value)
{
    return call(caller, CallCode::SetPartitionProperty,
                abi::SetPartitionPropertyInput{partition, code, 0xFFFF'FFFF, value});
}

struct Next {
    Status status;
    std::uint64_t id;

    friend bool operator==(Next const&, Next const&) = default;
};

Next next(TestGuest const& caller, std::uint64_t parent, std::uint64_t previous)
{
    REQUIRE(caller.memory.write(Gpa{place::input}, abi::GetNextChildPartitionInput{parent, previous}));
    auto const control = static_cast<std::uint64_t>(CallCode::GetNextChildPartition);
    auto const status = status_of(dispatch(caller.vp(), {{control}, place::input, place::output}));
    return {status, status == Status::Success ? output_element<std::uint64_t>(caller, 0) : 0};
}

Rights lacking(Privilege privilege)
{
    auto rights = Rights::root();
    rights.set(privilege, false);
    return rights;
}

constexpr CallCode about_one[] = {CallCode::InitializePartition, CallCode::FinalizePartition,
                                  CallCode::DeletePartition};

} // namespace

TEST_CASE(
    "a partition is created, initialized, finalized and deleted, and nothing of it is left (TLFS 2.0a 5.3, 5.4)",
    "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    auto const pool = parent.guest.partition->pool().free_bytes();
    std::uint64_t former = 0;
    for (unsigned round = 0; round < 100; ++round) {
        auto const made = parent.create();
        REQUIRE(made.status == Status::Success);
        CHECK(made.id > former); // never given twice
        former = made.id;
        auto const child = registry.find(PartitionId{made.id});
        REQUIRE(child);
        CHECK(child->parent() == parent.guest.partition->id());
        CHECK_FALSE(child->active());
        CHECK(status_of(parent.deposit(made.id, parent.spare_pages(40))) == Status::Success);
        CHECK(parent.initialize(made.id) == Status::Success);
        CHECK(child->active());
        CHECK(parent.finalize(made.id) == Status::Success);
        CHECK_FALSE(child->active());
        CHECK(reps_done(parent.withdraw(made.id, 40)) == 40);
        CHECK(parent.remove(made.id) == Status::Success);
        CHECK(registry.find(PartitionId{made.id}) == nullptr);
    }
    CHECK(parent.guest.partition->pool().free_bytes() == pool);
    CHECK(parent.host.alive.machines.load() == 0);
    CHECK(parent.host.hidden.empty());
    CHECK(parent.guest.partition->children()->count() == 0);
}

TEST_CASE("which calls a partition takes in which state (TLFS 2.0a 5.2.5)", "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    auto const id = parent.create().id;
    auto const state = Status::InvalidPartitionState;

    // Uninitialized.
    CHECK(parent.finalize(id) == state);
    CHECK(set(parent.guest, id, PartitionProperty::CpuCap, 0x10000) == state);
    CHECK(call(parent.guest, CallCode::ClearVirtualInterrupt, id) == state);
    CHECK(next(parent.guest, self, 0) == Next{Status::Success, id});
    CHECK(parent.balance(id).status == Status::Success);
    CHECK(status_of(parent.deposit(id, parent.spare_pages(40))) == Status::Success);
    CHECK(parent.initialize(id) == Status::Success);

    // Active.
    CHECK(parent.initialize(id) == state);
    CHECK(parent.remove(id) == state);
    CHECK(set(parent.guest, id, PartitionProperty::PrivilegeFlags, 0) == state); // only before (newest)
    CHECK(set(parent.guest, id, PartitionProperty::CpuCap, 0x10000) == Status::Success);
    CHECK(call(parent.guest, CallCode::CreatePort,
               abi::CreatePortInput{id, 1, 0, parent.guest.partition->id().value, message_port(2, any_vp.value)}) ==
          Status::Success);
    CHECK(status_of(parent.deposit(id, parent.spare_pages(1, 0x3F))) == Status::Success);
    CHECK(parent.finalize(id) == Status::Success);

    // Finalized.
    CHECK(parent.finalize(id) == state);
    CHECK(parent.initialize(id) == state);
    CHECK(set(parent.guest, id, PartitionProperty::CpuCap, 0x10000) == state);
    CHECK(status_of(parent.deposit(id, parent.spare_pages(1, 0x3E))) == state);
    CHECK(call(parent.guest, CallCode::DeletePort, abi::DeletePortInput{id, 1, 0}) == state);
    CHECK(next(parent.guest, self, 0) == Next{Status::Success, id});
    CHECK(parent.balance(id) == ParentGuest::Balance{Status::Success, 41, 0});
    CHECK(parent.remove(id) == Status::OperationDenied); // the pool has pages
    CHECK(status_of(parent.withdraw(id, 41)) == Status::Success);
    CHECK(parent.remove(id) == Status::Success);
    for (auto const code : about_one)
        CHECK(parent.about(code, id) == Status::InvalidPartitionId);
}

TEST_CASE("a partition that was never initialized can be deleted, once its pool is empty (TLFS 2.0a 5.6.4)",
          "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    auto const id = parent.create().id;
    REQUIRE(status_of(parent.deposit(id, parent.spare_pages(2))) == Status::Success);
    CHECK(parent.remove(id) == Status::OperationDenied);
    CHECK(status_of(parent.withdraw(id, 2)) == Status::Success);
    CHECK(parent.remove(id) == Status::Success);
    CHECK(parent.host.alive.machines.load() == 0);
}

TEST_CASE("HvCreatePartition: every status (TLFS 2.0a 5.6.1; newest)", "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry, Rights::root(), {2, 4}};

    SECTION("who may")
    {
        ParentGuest const without{registry, lacking(Privilege::CreatePartitions)};
        CHECK(without.create().status == Status::AccessDenied);
        CHECK(without.create({.flags = ~std::uint64_t{0}}).status == Status::AccessDenied);
        TestGuest const nobody_makes_them{registry};
        REQUIRE(nobody_makes_them.memory.write(Gpa{place::input}, abi::CreatePartitionInput{}));
        CHECK(status_of(dispatch(nobody_makes_them.vp(), {{0x40}, place::input, place::output})) ==
              Status::NoResources);
    }
    SECTION("format")
    {
        for (unsigned bit = 0; bit < 64; ++bit) {
            constexpr std::uint64_t known = 1U << 4 | 1U << 8 | 1U << 13 | 1U << 19 | 1U << 22;
            if ((known >> bit & 1) != 0) continue;
            CHECK(parent.create({.flags = std::uint64_t{1} << bit}).status == Status::InvalidParameter);
        }
        CHECK(parent.create({.proximity = {0, 2}}).status == Status::InvalidParameter);
        CHECK(parent.create({.reserved = 1}).status == Status::InvalidParameter);
        abi::CreatePartitionInput as_linux{};
        as_linux.flags = 1U << 8 | 1U << 13 | 1U << 19 | 1U << 22;
        as_linux.compatibility_version = 0x609;
        as_linux.padding = ~0U;
        as_linux.proximity = {7, 1U << 31 | 1U};
        CHECK(parent.create(as_linux).status == Status::Success);
    }
    SECTION("limits")
    {
        auto const first = parent.create().id;
        CHECK(parent.create().status == Status::Success);
        CHECK(parent.create().status == Status::NoResources);
        CHECK(parent.remove(first) == Status::Success);
        CHECK(parent.create().status == Status::Success);
    }
    SECTION("memory and the host")
    {
        ParentGuest poor{registry, Rights::root(), {2, 4}, child_partition_charge};
        poor.host.has_room = false;
        CHECK(poor.create().status == Status::NoResources);
        CHECK(poor.guest.partition->pool().free_bytes() == child_partition_charge);
        poor.host.has_room = true;
        CHECK(poor.create().status == Status::Success);
        CHECK(poor.create().status == Status::InsufficientMemory);
    }
}

TEST_CASE("HvInitializePartition, HvFinalizePartition, HvDeletePartition: who may (TLFS 2.0a 5.6.2 to 5.6.4)",
          "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    ParentGuest const stranger{registry};
    ParentGuest const without{registry, lacking(Privilege::CreatePartitions)};
    TestGuest const configured{registry, Rights::root(), 1, parent.guest.partition->id()};
    auto const id = parent.create().id;
    for (auto const code : about_one) {
        INFO(static_cast<unsigned>(code));
        CHECK(parent.about(code, 999) == Status::InvalidPartitionId);
        CHECK(parent.about(code, self) == Status::AccessDenied);
        CHECK(parent.about(code, root) == Status::AccessDenied);
        CHECK(stranger.about(code, id) == Status::AccessDenied);
        CHECK(without.about(code, id) == Status::AccessDenied);
        CHECK(without.about(code, 999) == Status::AccessDenied); // who may not act, learns nothing
        CHECK(parent.about(code, configured.partition->id().value) == Status::OperationDenied); // the user's
        CHECK(fast_call(stranger.guest, code, id) == Status::AccessDenied);
    }
    CHECK(parent.initialize(id) == Status::InsufficientMemory);
    CHECK(status_of(parent.deposit(id, parent.spare_pages(31))) == Status::Success);
    CHECK(parent.initialize(id) == Status::InsufficientMemory);
    CHECK(status_of(parent.deposit(id, parent.spare_pages(1, 0x30))) == Status::Success);
    CHECK(fast_call(parent.guest, CallCode::InitializePartition, id) == Status::Success);
}

TEST_CASE("HvSetPartitionProperty: privileges before initialization, of what the parent has (TLFS 2.0a 5.6.6)",
          "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry, lacking(Privilege::AccessReset)};
    ParentGuest const stranger{registry};
    auto const id = parent.create().id;
    auto const child = registry.find(PartitionId{id});
    constexpr auto flags = PartitionProperty::PrivilegeFlags;
    constexpr std::uint64_t synic = 1U << 2 | 1U << 5 | 1U << 6;
    CHECK(child->rights().privileges() == 0);
    CHECK(set(parent.guest, id, flags, synic) == Status::Success);
    CHECK(child->rights().privileges() == synic);
    CHECK(set(parent.guest, id, flags, 1U << 7) == Status::PropertyValueOutOfRange);                // has it not
    CHECK(set(parent.guest, id, flags, std::uint64_t{1} << 32) == Status::PropertyValueOutOfRange); // too deep
    CHECK(set(parent.guest, id, flags, std::uint64_t{1} << 63) == Status::PropertyValueOutOfRange); // unknown
    CHECK(child->rights().privileges() == synic);

    REQUIRE(status_of(parent.deposit(id, parent.spare_pages(40))) == Status::Success);
    REQUIRE(parent.initialize(id) == Status::Success);
    CHECK(set(parent.guest, id, PartitionProperty::CpuWeight, 100) == Status::Success); // what it has
    CHECK(set(parent.guest, id, PartitionProperty::CpuWeight, 101) == Status::PropertyValueOutOfRange);
    CHECK(set(parent.guest, id, PartitionProperty{0x9'0007}, 0) == Status::UnknownProperty);
    CHECK(set(parent.guest, 999, flags, 0) == Status::InvalidPartitionId);
    CHECK(set(stranger.guest, id, flags, 0) == Status::AccessDenied);
    CHECK(set(parent.guest, self, flags, 0) == Status::AccessDenied);
}

TEST_CASE("HvGetNextChildPartition: children in the order of their creation (TLFS 2.0a 5.5, 5.6.8)", "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    ParentGuest const stranger{registry};
    auto const parent_id = parent.guest.partition->id().value;
    CHECK(next(parent.guest, self, 0) == Next{Status::Success, 0});
    auto const first = parent.create().id;
    TestGuest const configured{registry, Rights::root(), 1, parent.guest.partition->id()};
    auto const second = configured.partition->id().value;
    auto const third = parent.create().id;
    CHECK(next(parent.guest, parent_id, 0) == Next{Status::Success, first});
    CHECK(next(parent.guest, self, first) == Next{Status::Success, second});
    CHECK(next(parent.guest, self, second) == Next{Status::Success, third});
    CHECK(next(parent.guest, self, third) == Next{Status::Success, 0});
    CHECK(next(parent.guest, first, 0) == Next{Status::Success, 0});
    REQUIRE(parent.remove(first) == Status::Success);
    CHECK(next(parent.guest, self, first).status == Status::InvalidPartitionId);
    CHECK(next(parent.guest, self, root).status == Status::InvalidPartitionId);
    CHECK(next(parent.guest, self, self).status == Status::InvalidPartitionId);
    CHECK(next(parent.guest, 999, 0).status == Status::InvalidPartitionId);
    CHECK(next(stranger.guest, third, 0).status == Status::AccessDenied);
    CHECK(next(parent.guest, root, 0).status == Status::AccessDenied);
}

TEST_CASE("with their parent, its children end and are nobody's, whatever state they are in", "[children]")
{
    PartitionRegistry registry;
    std::vector<std::uint64_t> ids;
    {
        ParentGuest parent{registry};
        ids.push_back(parent.create().id);
        ids.push_back(parent.active_child());
        ids.push_back(parent.create().id);
        REQUIRE(ids.back() != 0);
        CHECK(parent.host.alive.machines.load() == 3);
        registry.remove(*parent.guest.partition);
        CHECK(parent.host.alive.machines.load() == 0);
    }
    for (auto const id : ids)
        CHECK(registry.find(PartitionId{id}) == nullptr);
}
