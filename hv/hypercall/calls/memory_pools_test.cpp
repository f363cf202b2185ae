/// The memory pools of children: HvDepositMemory, HvWithdrawMemory, HvGetMemoryBalance (TLFS 2.0a §7).
#include "hv/abi/msr.hpp"
#include "hv/partition/children.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/child_host.hpp"

#include <set>

using namespace hv;
using namespace hv::testing;
using abi::CallCode;

namespace {

constexpr auto self = self_partition.value;

std::uint64_t result(Status status, std::uint64_t done)
{
    return abi::result(status, done);
}

} // namespace

TEST_CASE("deposited pages are out of the parent's reach, and come back as zeros (TLFS 2.0a 7.1.1, 7.3.2)",
          "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    auto const id = parent.create().id;
    auto const pages = parent.spare_pages(3);
    parent.guest.ram[0x11'000 + 5] = std::byte{0x77};
    CHECK(parent.deposit(id, pages) == result(Status::Success, 3));
    for (auto const page : pages)
        CHECK_FALSE(parent.guest.memory.page(Gpa{page * page_size}));
    CHECK(parent.guest.partition->children()->deposited_pages() == 3);
    CHECK(parent.balance(id) == ParentGuest::Balance{Status::Success, 3, 0});

    CHECK(parent.withdraw(id, 2) == result(Status::Success, 2));
    std::set<std::uint64_t> back{output_element<std::uint64_t>(parent.guest, 0),
                                 output_element<std::uint64_t>(parent.guest, 1)};
    CHECK(parent.withdraw(id, 2) == result(Status::NoResources, 1));
    back.insert(output_element<std::uint64_t>(parent.guest, 0));
    CHECK(back == std::set<std::uint64_t>(pages.begin(), pages.end()));
    CHECK(parent.withdraw(id, 1) == result(Status::NoResources, 0));
    CHECK(parent.guest.ram[0x11'000 + 5] == std::byte{0});
    CHECK(parent.guest.memory.page(Gpa{0x11'000}));
    CHECK(parent.guest.partition->children()->deposited_pages() == 0);
}

TEST_CASE("HvDepositMemory: every status, and how far it came (TLFS 2.0a 7.3.1)", "[children]")
{
    PartitionRegistry registry;
    ParentGuest parent{registry};
    auto const id = parent.create().id;
    auto const other = parent.create().id;
    REQUIRE(parent.deposit(other, {0x20}) == result(Status::Success, 1));

    SECTION("pages that are not the caller's to give")
    {
        CHECK(parent.deposit(id, {0x10, 0x20, 0x11}) == result(Status::OperationDenied, 1)); // in a pool already
        CHECK(parent.deposit(id, {0x10}) == result(Status::OperationDenied, 0));
        CHECK(parent.deposit(id, {0x12, 0x12}) == result(Status::ObjectInUse, 1)); // under way
        for (auto const nowhere :
             {std::uint64_t{TestGuest::pages}, std::uint64_t{0xFEE00}, std::uint64_t{1} << 52, ~std::uint64_t{0}})
            CHECK(parent.deposit(id, {nowhere}) == result(Status::OperationDenied, 0));
        CHECK(parent.host.hidden == std::set<std::uint64_t>{0x10, 0x12, 0x20});
        CHECK(parent.balance(id) == ParentGuest::Balance{Status::Success, 2, 0});
    }
    SECTION("pages that overlays cover (8.1.3)")
    {
        write_msr(parent.guest, abi::msr::guest_os_id, 1);
        std::uint64_t page = 0x30;
        for (auto const msr : {abi::msr::hypercall, abi::msr::reference_tsc, abi::msr::simp, abi::msr::siefp,
                               abi::msr::sirbp, abi::msr::vp_assist_page}) {
            write_msr(parent.guest, msr, page << 12 | 1, 1);
            CHECK(parent.deposit(id, {page}) == result(Status::ObjectInUse, 0));
            write_msr(parent.guest, msr, page << 12, 1);
            CHECK(parent.deposit(id, {page}) == result(Status::Success, 1));
            ++page;
        }
    }
    SECTION("a start index")
    {
        CHECK(parent.deposit(id, {0x20, 0x13, 0x14}, 1) == result(Status::Success, 3));
        CHECK(parent.deposit(id, {0x13, 0x15, 0x20}, 1) == result(Status::OperationDenied, 2));
    }
    SECTION("the host can take no more out")
    {
        parent.host.splits = false;
        CHECK(parent.deposit(id, {0x16, 0x17}) == result(Status::NoResources, 0));
        CHECK(parent.balance(id) == ParentGuest::Balance{Status::Success, 0, 0});
        parent.host.splits = true;
        CHECK(parent.deposit(id, {0x16, 0x17}) == result(Status::Success, 2)); // nothing of it was kept
    }
}

TEST_CASE("HvDepositMemory, HvWithdrawMemory, HvGetMemoryBalance: who may (TLFS 2.0a 7.3)", "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    ParentGuest const stranger{registry};
    auto rights = Rights::root();
    rights.set(Privilege::AccessMemoryPool, false);
    ParentGuest const without{registry, rights};
    TestGuest const configured{registry, Rights::root(), 1, parent.guest.partition->id()};
    auto const id = parent.create().id;
    auto const configured_id = configured.partition->id().value;
    auto const refused = [](ParentGuest const& caller, std::uint64_t target, Status status) {
        CHECK(caller.deposit(target, {0x10}) == result(status, 0));
        CHECK(caller.withdraw(target, 1) == result(status, 0));
        CHECK(caller.balance(target).status == status);
    };
    refused(parent, 999, Status::InvalidPartitionId);
    refused(parent, self, Status::AccessDenied); // the root's alone
    refused(stranger, id, Status::AccessDenied);
    refused(without, id, Status::AccessDenied);
    refused(without, 999, Status::AccessDenied);
    CHECK(parent.deposit(configured_id, {0x10}) == result(Status::OperationDenied, 0)); // its pool is the user's
    CHECK(parent.withdraw(configured_id, 1) == result(Status::NoResources, 0));
    CHECK(parent.balance(configured_id) == ParentGuest::Balance{Status::Success, 0, 0});
    for (abi::ProximityDomain const bad : {abi::ProximityDomain{0, 2}, abi::ProximityDomain{0, 1U << 30}}) {
        CHECK(parent.withdraw(id, 1, bad) == result(Status::InvalidParameter, 0));
        CHECK(parent.balance(id, bad).status == Status::InvalidParameter);
    }
    CHECK(parent.balance(id, {3, 1U << 31}).status == Status::Success);
}

TEST_CASE("an active child keeps the pages that it uses; finalized, it gives all back (TLFS 2.0a 7.3.2)",
          "[children]")
{
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    auto const id = parent.active_child();
    REQUIRE(id != 0);
    auto const initial = initial_child_charge / page_size;
    CHECK(parent.balance(id) == ParentGuest::Balance{Status::Success, 40 - initial, initial});
    CHECK(call(parent.guest, CallCode::CreatePort,
               abi::CreatePortInput{id, 1, 0, parent.guest.partition->id().value, message_port(2, any_vp.value)}) ==
          Status::Success); // charged to the child's pool
    auto const free = parent.balance(id).available;
    CHECK(free < 40 - initial);
    CHECK(parent.withdraw(id, 40) == result(Status::NoResources, free));
    CHECK(parent.balance(id) == ParentGuest::Balance{Status::Success, 0, 40 - free});
    CHECK(call(parent.guest, CallCode::CreatePort,
               abi::CreatePortInput{id, 2, 0, parent.guest.partition->id().value, message_port(2, any_vp.value)}) ==
          Status::InsufficientMemory);
    CHECK(parent.finalize(id) == Status::Success);
    CHECK(parent.balance(id) == ParentGuest::Balance{Status::Success, 40 - free, 0});
    CHECK(parent.withdraw(id, 40) == result(Status::NoResources, 40 - free));
    CHECK(parent.host.hidden.empty());
    CHECK(parent.remove(id) == Status::Success);
}
