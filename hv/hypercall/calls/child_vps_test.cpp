/// VPs of children, their intercepts and their map: HvCreateVp, HvDeleteVp, HvInstallIntercept, HvMapGpaPages,
/// HvUnmapGpaPages, HvCallMapVpStatePage (TLFS 2.0a §8.3, §9.3, §10.4; newest).
#include "hv/abi/intercept.hpp"
#include "hv/abi/msr.hpp"
#include "hv/abi/vp_calls.hpp"
#include "hv/partition/children.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/family.hpp"

#include <cstring>

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::RegisterName;
namespace flag = abi::map_flag;

namespace {

constexpr auto self = self_partition.value;
constexpr auto all_rights = flag::readable | flag::writable | flag::kernel_executable;
constexpr auto simp_page = Family::simp_page;
constexpr auto free_page = Family::free_page;

std::uint64_t result(Status status, std::uint64_t done)
{
    return abi::result(status, done);
}

} // namespace

TEST_CASE("HvCreateVp: a VP is suspended as it is made, and its parent lets it go (TLFS 2.0a 10.4.1, 10.3.1)",
          "[children]")
{
    Family const family;
    auto const& [registry, parent, id] = family;
    auto const before = parent.balance(id);
    REQUIRE(parent.create_vp(id, 2) == Status::Success);
    CHECK(parent.host.alive.processors == 1);
    CHECK(parent.balance(id).available == before.available - child_vp_charge / page_size);
    auto* const vp = registry.find(PartitionId{id})->vp(VpIndex{2});
    REQUIRE(vp);
    auto const& supervisor = *family.processor(2).supervisor;
    CHECK(supervisor.suspended());
    CHECK(vp->get_register(RegisterName::ExplicitSuspend)->low == 1);
    CHECK(vp->get_register(RegisterName::InterceptSuspend)->low == 0);
    CHECK(family.set(id, 2, RegisterName::InterceptSuspend, 1) == Status::InvalidRegisterValue);
    CHECK(family.set(id, 2, RegisterName::ExplicitSuspend, 2) == Status::InvalidRegisterValue);
    CHECK(family.set(id, 2, RegisterName::ExplicitSuspend, 0) == Status::Success);
    CHECK_FALSE(supervisor.suspended());
    CHECK(family.set(self, 0, RegisterName::ExplicitSuspend, 0) == Status::InvalidParameter); // not its own

    CHECK(parent.delete_vp(id, 2) == Status::Success);
    CHECK(parent.host.alive.processors == 0);
    CHECK(parent.balance(id) == before);
    CHECK(registry.find(PartitionId{id})->vp(VpIndex{2}) == nullptr);
    CHECK(family.set(id, 2, RegisterName::ExplicitSuspend, 0) == Status::InvalidVpIndex);
}

TEST_CASE("HvCreateVp, HvDeleteVp: every status (TLFS 2.0a 10.4.1, 10.4.2)", "[children]")
{
    Family const family;
    auto const& [registry, parent, id] = family;
    auto const young = parent.create().id;
    CHECK(parent.create_vp(young, 0) == Status::InvalidPartitionState);
    CHECK(parent.delete_vp(young, 0) == Status::InvalidPartitionState);
    CHECK(parent.create_vp(999, 0) == Status::InvalidPartitionId);
    CHECK(parent.create_vp(self, 0) == Status::AccessDenied);
    CHECK(parent.create_vp(id, 4) == Status::InvalidVpIndex);
    CHECK(parent.delete_vp(id, 0) == Status::InvalidVpIndex);
    CHECK(parent.delete_vp(id, ~std::uint32_t{0}) == Status::InvalidVpIndex);
    abi::CreateVpInput bad{.partition = id};
    SECTION("flags")
    {
        bad.flags = 1;
    }
    SECTION("a subnode")
    {
        bad.subnode_type = 1;
    }
    SECTION("a proximity domain's flags")
    {
        bad.proximity.flags = 2;
    }
    CHECK(call(parent.guest, CallCode::CreateVp, bad) == Status::InvalidParameter);

    parent.host.last->has_room = true;
    CHECK(parent.create_vp(id, 0) == Status::Success);
    CHECK(parent.create_vp(id, 0) == Status::InvalidVpIndex);
    CHECK(parent.create_vp(id, 1) == Status::Success);
    CHECK(parent.create_vp(id, 2) == Status::InsufficientMemory);
    CHECK(parent.finalize(id) == Status::Success);
    CHECK(parent.host.alive.processors == 0);
    CHECK(parent.create_vp(id, 2) == Status::InvalidPartitionState);
}

TEST_CASE("the end of a level-triggered interrupt is a message to SINT0, and the VP goes on (newest)", "[children]")
{
    Family const family;
    auto const& [registry, parent, id] = family;
    REQUIRE(parent.create_vp(id, 1) == Status::Success);
    auto& processor = family.processor(1);
    REQUIRE(family.set(id, 1, RegisterName::ExplicitSuspend, 0) == Status::Success);
    processor.supervisor->ended(0x41);
    CHECK_FALSE(processor.supervisor->suspended());
    auto const message = family.slot();
    CHECK(message.header.type == abi::MessageType::ApicEoi);
    CHECK(message.header.origin == id);
    REQUIRE(message.header.payload_size == sizeof(abi::ApicEoiMessage));
    abi::ApicEoiMessage told{};
    std::memcpy(&told, message.payload.data(), sizeof told);
    CHECK(told.vp_index == 1);
    CHECK(told.vector == 0x41);
    for (unsigned i = 0; i < 1000; ++i) // nobody takes them: each vector waits once
        processor.supervisor->ended(static_cast<std::uint8_t>(0x20 + i % 64));
    REQUIRE(parent.delete_vp(id, 1) == Status::Success);
}

TEST_CASE("an intercept suspends its VP, and is a message to SINT0 (TLFS 2.0a 9.1.1, 14.2.6, 16.5.3)", "[children]")
{
    Family const family;
    auto const& [registry, parent, id] = family;
    REQUIRE(parent.create_vp(id, 1) == Status::Success);
    auto& processor = family.processor(1);
    processor.fake.registers[RegisterName::Rip] = {0x1234, 0};
    processor.fake.registers[RegisterName::Rax] = {0x55, 0};
    processor.fake.registers[RegisterName::Efer] = {1U << 10, 0};
    REQUIRE(family.set(id, 1, RegisterName::ExplicitSuspend, 0) == Status::Success);
    CHECK(processor.supervisor->intercepts_port(0x80, 1, true));
    Intercept intercept{.kind = Intercept::Kind::PortAccess};
    intercept.access = abi::intercept_access::write;
    intercept.instruction_length = 2;
    intercept.port = 0x80;
    intercept.size = 2;
    processor.supervisor->intercepted(intercept);
    CHECK(processor.supervisor->suspended());

    auto const message = family.slot();
    CHECK(message.header.type == abi::MessageType::IoPortIntercept);
    CHECK(message.header.origin == id);
    REQUIRE(message.header.payload_size == sizeof(abi::IoPortMessage));
    abi::IoPortMessage port{};
    std::memcpy(&port, message.payload.data(), sizeof port);
    CHECK(port.header.vp_index == 1);
    CHECK(port.header.length_and_cr8 == 2);
    CHECK(port.header.access == 1);
    CHECK(port.header.execution_state == abi::execution_state::efer_lma);
    CHECK(port.header.rip == 0x1234);
    CHECK(port.port == 0x80);
    CHECK(port.access_info == 2);
    CHECK(port.rax == 0x55);
    CHECK(family.set(id, 1, RegisterName::InterceptSuspend, 0) == Status::Success);
    CHECK_FALSE(processor.supervisor->suspended());

    // A second one waits in the VP's one buffer, and a third replaces it (14.2.6).
    intercept.port = 0x81;
    processor.supervisor->intercepted(intercept);
    intercept.port = 0x82;
    processor.supervisor->intercepted(intercept);
    std::memset(parent.guest.ram.get() + simp_page * page_size, 0, 4);
    write_msr(parent.guest, abi::msr::eom, 0);
    auto const later = family.slot();
    std::memcpy(&port, later.payload.data(), sizeof port);
    CHECK(port.port == 0x82);

    // One that still waits goes with its VP.
    processor.supervisor->intercepted(intercept);
    CHECK(parent.delete_vp(id, 1) == Status::Success);
    std::memset(parent.guest.ram.get() + simp_page * page_size, 0, 4);
    write_msr(parent.guest, abi::msr::eom, 0);
    CHECK(family.slot().header.type == abi::MessageType::None);
}

TEST_CASE("the intercept message page has the message, and SINT0 says so (newest; Linux, hvhdk.h)", "[children]")
{
    Family const family{abi::creation_flag::exo_partition | abi::creation_flag::intercept_page};
    auto const& [registry, parent, id] = family;
    CHECK(family.show(free_page) == Status::InvalidVpIndex);
    REQUIRE(parent.create_vp(id, 0) == Status::Success);
    CHECK(family.show(free_page, 0, 0) == Status::InvalidParameter); // the hypervisor has no place of its own
    CHECK(family.show(0x10) == Status::InvalidParameter);            // deposited
    CHECK(family.show(~std::uint64_t{0}) == Status::InvalidParameter);
    REQUIRE(family.show(free_page) == Status::Success);
    CHECK(output_element<std::uint64_t>(parent.guest, 0) == free_page);
    CHECK(family.show(free_page + 1) == Status::InvalidVpState);
    CHECK(parent.deposit(id, {free_page}) == result(Status::ObjectInUse, 0));
    family.processor().supervisor->ended(0x41); // which Linux would leave in the slot
    CHECK(family.slot().header.type == abi::MessageType::None);

    Intercept intercept{.kind = Intercept::Kind::MemoryAccess};
    intercept.gpa = Gpa{0x5008};
    intercept.gva = 0x7008;
    family.processor().supervisor->intercepted(intercept);
    auto const told = family.slot();
    CHECK(told.header.type == abi::MessageType::OpaqueIntercept);
    CHECK(told.header.origin == id);
    CHECK(told.payload[0] == 0);
    auto const shown = family.at<abi::Message>(free_page);
    CHECK(shown.header.type == abi::MessageType::UnmappedGpa);
    abi::MemoryAccessMessage memory{};
    std::memcpy(&memory, shown.payload.data(), sizeof memory);
    CHECK(memory.gpa == 0x5008);
    CHECK(memory.gva == 0x7008);
    CHECK(memory.access_info == 1);
    CHECK(parent.delete_vp(id, 0) == Status::Success);
    CHECK(family.at<std::uint64_t>(free_page) == 0); // uncovered
    CHECK(parent.deposit(id, {free_page}) == result(Status::Success, 1));
}

TEST_CASE("HvMapGpaPages and HvUnmapGpaPages (TLFS 2.0a 8.3)", "[children]")
{
    Family const family;
    auto const& [registry, parent, id] = family;
    auto const& runs = parent.host.last->runs;
    CHECK(parent.map(id, 5, {free_page, free_page + 1}, all_rights) == result(Status::Success, 2));
    CHECK(runs.at(5) == GpaRun{5, free_page, 2, GpaAccess::ReadWrite});
    CHECK(parent.map(id, 6, {free_page}, flag::readable) == result(Status::Success, 1));
    CHECK(runs.at(6) == GpaRun{6, free_page, 1, GpaAccess::Read});
    CHECK(parent.map(id, 100, {7, 7, free_page + 1}, all_rights, 2) == result(Status::Success, 3)); // from the third
    CHECK(runs.at(102).source == free_page + 1);
    CHECK(parent.map(id, 0x200, {0xFFFF'FFFF}, flag::no_access | flag::large_page) == result(Status::Success, 1));
    CHECK(runs.at(0x200) == GpaRun{0x200, GpaRun::no_page, 512, GpaAccess::None});
    CHECK(parent.unmap(id, 0x300, 1) == result(Status::Success, 1));
    CHECK(runs.at(0x301).count == 255);
    CHECK(parent.unmap(id, 0, 100, abi::unmap_flag::large_page) == result(Status::Success, 100));
    CHECK(runs.empty());

    for (auto const flags :
         {flag::writable, flag::kernel_executable, flag::readable | 1U << 17, flag::readable | flag::no_access})
        CHECK(parent.map(id, 5, {free_page}, flags) == result(Status::InvalidParameter, 0));
    CHECK(parent.map(id, GpaMap::pages, {free_page}, all_rights) == result(Status::InvalidParameter, 0));
    CHECK(parent.map(id, 1, {0}, all_rights | flag::large_page) == result(Status::InvalidParameter, 0));
    CHECK(parent.map(id, 512, {1}, all_rights | flag::large_page) == result(Status::InvalidParameter, 0));
    CHECK(parent.unmap(id, GpaMap::pages - 1, 2) == result(Status::InvalidParameter, 0));
    CHECK(parent.unmap(id, 1, 1, abi::unmap_flag::large_page) == result(Status::InvalidParameter, 0));
    CHECK(parent.unmap(id, 1, 1, 1) == result(Status::InvalidParameter, 0));
    for (auto const page : {std::uint64_t{0x10}, std::uint64_t{TestGuest::pages}, ~std::uint64_t{0}})
        CHECK(parent.map(id, 5, {free_page, page}, all_rights) == result(Status::OperationDenied, 0));
    CHECK(parent.map(id, 5, {simp_page}, all_rights) == result(Status::ObjectInUse, 0));
    parent.host.last->has_room = false;
    CHECK(parent.map(id, 5, {free_page}, all_rights) == result(Status::NoResources, 0));
    CHECK(runs.empty());
}

TEST_CASE("HvCallMapSparseGpaPages and HvCallModifySparseGpaPages (newest)", "[children]")
{
    Family const family;
    auto const& [registry, parent, id] = family;
    auto const& runs = parent.host.last->runs;
    auto const map = [&](std::vector<abi::GpaMapping> const& pages, std::uint32_t flags, std::uint32_t reserved = 0) {
        return rep_call(parent.guest, CallCode::MapSparseGpaPages, abi::SparseGpaPagesInput{id, flags, reserved},
                        pages);
    };
    auto const modify = [&](std::vector<std::uint64_t> const& pages, std::uint32_t flags) {
        return rep_call(parent.guest, CallCode::ModifySparseGpaPages, abi::SparseGpaPagesInput{id, flags, 0}, pages);
    };
    CHECK(map({{5, free_page}, {9, free_page + 1}}, all_rights) == result(Status::Success, 2));
    CHECK(runs.at(5) == GpaRun{5, free_page, 1, GpaAccess::ReadWrite});
    CHECK(runs.at(9) == GpaRun{9, free_page + 1, 1, GpaAccess::ReadWrite});
    CHECK(modify({9, 5}, flag::readable) == result(Status::Success, 2));
    CHECK(runs.at(9) == GpaRun{9, free_page + 1, 1, GpaAccess::Read});
    CHECK(modify({9}, flag::no_access) == result(Status::Success, 1));
    CHECK(modify({5, 9}, flag::readable) == result(Status::InvalidParameter, 1)); // what lay there is forgotten
    CHECK(modify({7}, flag::readable) == result(Status::InvalidParameter, 0));
    CHECK(modify({GpaMap::pages}, flag::readable) == result(Status::InvalidParameter, 0));
    CHECK(modify({5}, flag::writable) == result(Status::InvalidParameter, 0));
    CHECK(modify({5}, flag::readable | flag::large_page) == result(Status::InvalidParameter, 0));
    CHECK(map({{0x200, 0}}, flag::no_access | flag::large_page) == result(Status::Success, 1));
    CHECK(runs.at(0x200).count == 512);
    CHECK(map({{6, free_page}, {GpaMap::pages, free_page}}, all_rights) == result(Status::InvalidParameter, 1));
    CHECK(map({{6, 0x10}}, all_rights) == result(Status::OperationDenied, 0));
    CHECK(map({{6, free_page}}, all_rights, 1) == result(Status::InvalidParameter, 0));
    CHECK(map({{6, free_page}}, flag::writable) == result(Status::InvalidParameter, 0));
}

TEST_CASE("what is mapped in a child cannot be deposited, and each run is charged for (TLFS 2.0a 7.3.1, 8.3.1)",
          "[children]")
{
    Family const family;
    auto const& [registry, parent, id] = family;
    auto const before = parent.balance(id);
    CHECK(parent.map(id, 5, {free_page}, flag::readable) == result(Status::Success, 1));
    CHECK(parent.deposit(id, {free_page + 1, free_page}) == result(Status::ObjectInUse, 1));
    CHECK(parent.unmap(id, 5, 1) == result(Status::Success, 1));
    CHECK(parent.deposit(id, {free_page}) == result(Status::Success, 1));
    CHECK(parent.balance(id).in_use == before.in_use);

    // Runs of one page each, until the pool is empty: all is given back with them.
    auto const room = parent.balance(id).available * page_size / child_run_charge;
    std::uint64_t mapped = 0;
    for (mapped = 1; mapped <= room; ++mapped)
        if (parent.map(id, 2 * mapped, {0}, flag::no_access) != result(Status::Success, 1)) break;
    CHECK(parent.map(id, 2 * mapped, {0}, flag::no_access) == result(Status::InsufficientMemory, 0));
    CHECK(parent.unmap(id, 0, 4000) == result(Status::Success, 4000));
    CHECK(parent.balance(id).in_use == before.in_use);
}

TEST_CASE("a child's map consists of so many runs, with access or without (TLFS 2.0a 8.3)", "[children]")
{
    Family const family{0, {3, 4, 4}};
    auto const& [registry, parent, id] = family;
    auto const before = parent.balance(id);
    for (std::uint64_t page = 0; page < 8; page += 2)
        CHECK(parent.map(id, page, {0}, flag::no_access) == result(Status::Success, 1));
    CHECK(parent.map(id, 8, {0}, flag::no_access) == result(Status::NoResources, 0));
    CHECK(parent.map(id, 8, {free_page}, all_rights) == result(Status::NoResources, 0));
    CHECK(parent.map(id, 2, {free_page}, all_rights) == result(Status::Success, 1)); // in the place of another
    CHECK(parent.map(id, 1, {0}, flag::no_access) == result(Status::Success, 1));    // joins one
    CHECK(parent.map(id, 7, {0, 0, 0}, flag::no_access) == result(Status::Success, 3));
    CHECK(parent.unmap(id, 7, 1) == result(Status::NoResources, 0)); // would split one
    CHECK(parent.host.last->runs.size() == 4);
    CHECK(parent.unmap(id, 0, 10) == result(Status::Success, 10));
    CHECK(parent.balance(id) == before);
}

TEST_CASE("a child reaches so many pages, wherever they are its parent's (TLFS 2.0a 8.3)", "[children]")
{
    Family const family{0, {.partitions = 3, .vps = 4, .pages = 3}};
    auto const& [registry, parent, id] = family;
    auto const before = parent.balance(id);
    CHECK(parent.map(id, 0, {free_page, free_page}, all_rights) == result(Status::Success, 2));
    CHECK(parent.map(id, 4, {free_page, free_page}, all_rights) == result(Status::NoResources, 0));
    CHECK(parent.map(id, 4, {free_page}, all_rights) == result(Status::Success, 1));
    CHECK(parent.map(id, 5, {free_page}, all_rights) == result(Status::NoResources, 0));
    CHECK(parent.map(id, 5, {0, 0}, flag::no_access) == result(Status::Success, 2));     // is not reached
    CHECK(parent.map(id, 0, {free_page + 1}, all_rights) == result(Status::Success, 1)); // in the place of another
    CHECK(parent.unmap(id, 1, 1) == result(Status::Success, 1));
    CHECK(parent.map(id, 9, {free_page}, all_rights) == result(Status::Success, 1));
    CHECK(parent.unmap(id, 0, 10) == result(Status::Success, 10));
    CHECK(parent.balance(id) == before);
}

TEST_CASE("HvInstallIntercept (TLFS 2.0a 9.1.1, 9.3.1)", "[children]")
{
    Family const family{0};
    REQUIRE(family.parent.create_vp(family.id, 0) == Status::Success);
    auto const& supervisor = *family.processor().supervisor;
    CHECK_FALSE(supervisor.intercepts_port(0x60, 4, false));
    CHECK(family.install(1, 0, 0x62) == Status::Success);
    CHECK(supervisor.intercepts_port(0x62, 1, false));
    CHECK(supervisor.intercepts_port(0x60, 4, false));
    CHECK_FALSE(supervisor.intercepts_port(0x60, 2, false));
    CHECK_FALSE(supervisor.intercepts_port(0x62, 1, true));
    CHECK(family.install(2, 0x11, 0xFFFF'FFF0) == Status::Success); // a range: 0xFFF0 to 0xFFFF
    CHECK(supervisor.intercepts_port(0xFFFF, 4, true));
    CHECK_FALSE(supervisor.intercepts_port(0xFFFF, 4, false));
    CHECK(family.install(0, 0, 0x62) == Status::Success);
    CHECK_FALSE(supervisor.intercepts_port(0x62, 1, false));

    CHECK(family.install(4, 0, 0x60) == Status::InvalidParameter);
    CHECK(family.install(1, 0, 0x1'0000) == Status::InvalidParameter);
    CHECK(family.install(1, 0x11, 0x0060'0061) == Status::InvalidParameter);
    CHECK(family.install(1, 2, 0) == Status::InvalidParameter);
    CHECK(family.install(1, 0x77, 0) == Status::InvalidParameter);
    CHECK(family.install(4, 2, 1) == Status::OperationDenied); // KVM has no exit for it
    CHECK(family.install(4, 3, 14) == Status::OperationDenied);
    CHECK(family.install(4, 1, 0) == Status::InvalidParameter);
    CHECK(family.install(0, 3, 14) == Status::Success);
}

TEST_CASE("HvSendSyntheticClusterIpi reaches a child's VPs, which come and go (TLFS 6.0b 10.5.2, 10.5.3)",
          "[children]")
{
    constexpr std::uint64_t cluster_ipi = 1U << 26;
    constexpr std::uint64_t ex_masks = 1U << 24;
    constexpr std::uint64_t vector = 0x41;
    Family const family{abi::creation_flag::local_apic, {3, 4}, cluster_ipi | ex_masks};
    auto const& parent = family.parent;
    for (auto const index : {0U, 2U})
        REQUIRE(parent.create_vp(family.id, index) == Status::Success);
    auto& vp = *family.registry.find(PartitionId{family.id})->vp(VpIndex{2});
    auto const& sink = static_cast<RecordingSink&>(parent.host.last->interrupts());
    auto const send = [&](std::uint64_t mask) {
        auto const fast = static_cast<std::uint64_t>(CallCode::SendSyntheticClusterIpi) | 1U << 16;
        return status_of(dispatch(vp, {{fast}, vector, mask}));
    };
    CHECK(send(0b111) == Status::Success);
    CHECK(sink.asserted.size() == 2); // there is no VP 1
    REQUIRE(parent.delete_vp(family.id, 0) == Status::Success);
    CHECK(send(0b001) == Status::Success);
    CHECK(sink.asserted.size() == 2);
}
