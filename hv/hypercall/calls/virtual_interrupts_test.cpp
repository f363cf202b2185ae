/// HvAssertVirtualInterrupt, HvClearVirtualInterrupt, HvCallAssertVirtualInterrupt (TLFS 2.0a §13.3, §13.5; newest).
#include "hv/abi/virtual_interrupt.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::InterruptType;

namespace {

constexpr auto none = abi::no_interrupt_vector;
constexpr std::uint32_t level = 1;
constexpr std::uint32_t logical = 2;

struct Family {
    PartitionRegistry registry;
    TestGuest parent{registry};
    TestGuest child{registry, Rights::ordinary(), 2, parent.partition->id()};

    [[nodiscard]] std::uint64_t child_id() const { return child.partition->id().value; }

    /// By either numbering, which must agree.
    [[nodiscard]] Status assert_in(std::uint64_t partition, InterruptType type, std::uint32_t flags,
                                   std::uint64_t destination, std::uint32_t vector) const
    {
        auto const status =
            call(parent, CallCode::AssertVirtualInterrupt,
                 abi::AssertVirtualInterruptInput{partition, {type, flags}, destination, vector, ~0U});
        if (status != Status::Success) CHECK(later(partition, type, flags, destination, vector) == status);
        return status;
    }
    [[nodiscard]] Status later(std::uint64_t partition, InterruptType type, std::uint32_t flags,
                               std::uint64_t destination, std::uint32_t vector, std::uint8_t vtl = 0,
                               std::uint8_t reserved0 = 0, std::uint16_t reserved1 = 0) const
    {
        return call(parent, CallCode::AssertVirtualInterruptVtl,
                    abi::AssertVirtualInterruptVtlInput{
                        partition, {type, flags}, destination, vector, vtl, reserved0, reserved1});
    }
    [[nodiscard]] Status operator()(InterruptType type, std::uint32_t flags, std::uint64_t destination,
                                    std::uint32_t vector) const
    {
        return assert_in(child_id(), type, flags, destination, vector);
    }
    [[nodiscard]] Status external(std::uint32_t vector, std::uint64_t destination = 0) const
    {
        return (*this)(InterruptType::ExtInt, 0, destination, vector);
    }
    [[nodiscard]] Status clear() const
    {
        return call(parent, CallCode::ClearVirtualInterrupt, abi::ClearVirtualInterruptInput{child_id()});
    }
    [[nodiscard]] std::vector<VirtualInterrupt> sent() { return std::exchange(child.sink.sent, {}); }
};

using Sent = std::vector<VirtualInterrupt>;

constexpr InterruptType known[]{
    InterruptType::Fixed,     InterruptType::LowestPriority, InterruptType::Smi,  InterruptType::RemoteRead,
    InterruptType::Nmi,       InterruptType::Init,           InterruptType::Sipi, InterruptType::ExtInt,
    InterruptType::LocalInt0, InterruptType::LocalInt1};

} // namespace

TEST_CASE("HvAssertVirtualInterrupt: each type goes to the child's local APICs (TLFS 2.0a 13.3.2, 13.5.1)", "[virq]")
{
    Family f;
    CHECK(f(InterruptType::Fixed, 0, 1, 0x40) == Status::Success);
    CHECK(f.sent() == Sent{{InterruptType::Fixed, false, 1, 0x40}});
    CHECK(f(InterruptType::LowestPriority, logical, 3, 0xFF) == Status::Success);
    CHECK(f.sent() == Sent{{InterruptType::LowestPriority, true, 3, 0xFF}});
    CHECK(f(InterruptType::Nmi, 0, 0, 0) == Status::Success);
    CHECK(f.sent() == Sent{{InterruptType::Nmi, false, 0, 0}});
    CHECK(f(InterruptType::Init, 0, 1, 0) == Status::Success);
    CHECK(f(InterruptType::Sipi, 0, 1, 0) == Status::Success); // at address 0
    CHECK(f(InterruptType::Sipi, 0, 1, 0x9F) == Status::Success);
    CHECK(f.sent() == Sent{{InterruptType::Init, false, 1, 0},
                           {InterruptType::Sipi, false, 1, 0},
                           {InterruptType::Sipi, false, 1, 0x9F}});
    CHECK(f.parent.sink.sent.empty());
}

TEST_CASE("HvCallAssertVirtualInterrupt is the same with a VTL (newest; TLFS 5.0C 10.5.1)", "[virq]")
{
    Family f;
    CHECK(f.later(f.child_id(), InterruptType::Fixed, 0, 0, 0x41) == Status::Success);
    CHECK(f.sent() == Sent{{InterruptType::Fixed, false, 0, 0x41}});
    CHECK(f.later(f.child_id(), InterruptType::Fixed, 0, 0, 0x41, 1) == Status::InvalidVtlState);
    CHECK(f.later(f.child_id(), InterruptType::Fixed, 0, 0, 0x41, 0, 1) == Status::InvalidParameter);
    CHECK(f.later(f.child_id(), InterruptType::Fixed, 0, 0, 0x41, 0, 0, 0x8000) == Status::InvalidParameter);
    CHECK(f.sent().empty());
}

TEST_CASE("HvAssertVirtualInterrupt: only for one's children, with CreatePartitions (TLFS 2.0a 13.5.1, 5.2.3)",
          "[virq]")
{
    Family f;
    TestGuest const stranger{f.registry};
    auto const refused = [&](std::uint64_t partition, Status status) {
        CHECK(f.assert_in(partition, InterruptType::Fixed, 0, 0, 0x40) == status);
        CHECK(call(f.parent, CallCode::ClearVirtualInterrupt, abi::ClearVirtualInterruptInput{partition}) == status);
    };
    refused(self_partition.value, Status::AccessDenied);
    refused(f.parent.partition->id().value, Status::AccessDenied);
    refused(stranger.partition->id().value, Status::AccessDenied);
    refused(PartitionRegistry::root_id.value, Status::AccessDenied);
    refused(999, Status::InvalidPartitionId);
    f.child.partition->set_active(false);
    refused(f.child_id(), Status::InvalidPartitionState);
    f.child.partition->set_active(true);

    auto rights = Rights::root();
    rights.set(Privilege::CreatePartitions, false);
    TestGuest const poor{f.registry, rights};
    TestGuest const its_child{f.registry, Rights::root(), 1, poor.partition->id()};
    for (auto const id : {its_child.partition->id().value, std::uint64_t{999}}) { // and learns nothing of who exists
        CHECK(call(poor, CallCode::AssertVirtualInterrupt, abi::AssertVirtualInterruptInput{id, {}, 0, 0x40, 0}) ==
              Status::AccessDenied);
        CHECK(call(poor, CallCode::ClearVirtualInterrupt, abi::ClearVirtualInterruptInput{id}) ==
              Status::AccessDenied);
    }
    CHECK(f.sent().empty());
}

TEST_CASE("HvAssertVirtualInterrupt: INVALID_PARAMETER for the interrupt control and the vector (TLFS 2.0a 13.5.1)",
          "[virq]")
{
    Family f;
    for (unsigned reserved = 2; reserved < 32; ++reserved)
        CHECK(f(InterruptType::Fixed, 1U << reserved, 0, 0x40) == Status::InvalidParameter);
    for (auto const unknown : {10U, 0x100U, 0x8000'0000U, ~0U})
        CHECK(f(InterruptType{unknown}, 0, 0, 0) == Status::InvalidParameter);
    for (auto const type : {InterruptType::Nmi, InterruptType::Init, InterruptType::Sipi})
        CHECK(f(type, level, 0, 0) == Status::InvalidParameter);
    for (auto const type : known) {
        INFO(static_cast<std::uint32_t>(type));
        CHECK(f(type, 0, 0, 0x100) == Status::InvalidParameter);
        CHECK(f(type, 0, 0, 0x8000'0040) == Status::InvalidParameter);
        CHECK(f(type, 0, 0, none - 1) == Status::InvalidParameter);
    }
    for (auto const type : {InterruptType::Nmi, InterruptType::Init, InterruptType::Smi, InterruptType::RemoteRead,
                            InterruptType::LocalInt0, InterruptType::LocalInt1}) {
        CHECK(f(type, 0, 0, 1) == Status::InvalidParameter);
        CHECK(f(type, 0, 0, none) == Status::InvalidParameter);
    }
    CHECK(f.sent().empty());
}

TEST_CASE("HvAssertVirtualInterrupt: OPERATION_DENIED where KVM has no way (TLFS 6.0b 10.5.1)", "[virq]")
{
    Family f;
    for (auto const type :
         {InterruptType::Smi, InterruptType::RemoteRead, InterruptType::LocalInt0, InterruptType::LocalInt1}) {
        CHECK(f(type, 0, 0, 0) == Status::OperationDenied);
        CHECK(f(type, level, 0, 0) == Status::OperationDenied);
    }
    for (auto const type : {InterruptType::Fixed, InterruptType::LowestPriority}) {
        CHECK(f(type, level, 0, 0x40) == Status::OperationDenied);
        CHECK(f(type, level, 0, none) == Status::OperationDenied);
    }
    CHECK(f.sent().empty());
}

TEST_CASE("HvAssertVirtualInterrupt: a level-triggered one where its EOI is told (TLFS 2.0a 13.3.3)", "[virq]")
{
    Family f;
    f.child.sink.hears_eois = true;
    CHECK(f(InterruptType::Fixed, level, 0, 0x40) == Status::Success);
    CHECK(f(InterruptType::Fixed, 0, 0, 0x40) == Status::Success);
    CHECK(f(InterruptType::Fixed, level, 0, none) == Status::Success); // nothing to take back
    auto const sent = f.sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].level_triggered);
    CHECK_FALSE(sent[1].level_triggered);
}

TEST_CASE("HvAssertVirtualInterrupt: the destination is an APIC ID, or a logical one (TLFS 2.0a 13.5.1)", "[virq]")
{
    Family f;
    for (auto const no_vp : {std::uint64_t{2}, std::uint64_t{0xFF}, std::uint64_t{1} << 32, ~std::uint64_t{0}})
        CHECK(f(InterruptType::Fixed, 0, no_vp, 0x40) == Status::InvalidVpIndex);
    for (auto const not_logical : {std::uint64_t{0}, std::uint64_t{0x100}, std::uint64_t{1} << 32 | 1})
        CHECK(f(InterruptType::Fixed, logical, not_logical, 0x40) == Status::InvalidParameter);
    CHECK(f.sent().empty());
    CHECK(f(InterruptType::Fixed, logical, 0xFF, 0x40) == Status::Success);
    CHECK(f.sent() == Sent{{InterruptType::Fixed, true, 0xFF, 0x40}});
}

TEST_CASE("HvAssertVirtualInterrupt: an edge cannot be taken back (TLFS 2.0a 13.3.3)", "[virq]")
{
    Family f;
    for (auto const type : {InterruptType::Fixed, InterruptType::LowestPriority, InterruptType::Sipi})
        CHECK(f(type, 0, 0, none) == Status::Success);      // and has no effect
    for (std::uint32_t vector = 0; vector < 0x10; ++vector) // an APIC takes none of these
        CHECK(f(InterruptType::Fixed, 0, 0, vector) == Status::Success);
    CHECK(f.sent().empty());
}

TEST_CASE("external interrupts: asserted, superseded, withdrawn (TLFS 2.0a 13.3.3, 13.5.1)", "[virq]")
{
    Family f;
    auto& pending = f.child.vp(0).external_interrupt();
    CHECK(f.external(0x20) == Status::Success);
    CHECK(f.child.sink.external == std::vector<std::uint32_t>{0});
    CHECK(pending.waiting());
    CHECK(f.external(0x08) == Status::Success); // any vector: it does not pass the APIC
    CHECK(f.clear() == Status::NotAcknowledged);
    CHECK(f.external(none) == Status::Success);
    CHECK_FALSE(pending.waiting());
    CHECK_FALSE(pending.take());
    CHECK(f.external(none) == Status::Success);
    CHECK(f(InterruptType::ExtInt, level, 0, 0x21) == Status::Success); // it is level-triggered by itself
    CHECK(pending.take() == 0x21);
    CHECK(f.child.vp(1).external_interrupt().waiting() == false);
    CHECK(f.sent().empty());
}

TEST_CASE("external interrupts: an acknowledged one must be cleared first (TLFS 2.0a 13.5.1, 13.5.2)", "[virq]")
{
    Family f;
    auto& pending = f.child.vp(0).external_interrupt();
    CHECK(f.clear() == Status::NotAcknowledged);
    REQUIRE(f.external(0x30) == Status::Success);
    CHECK(pending.take() == 0x30);
    CHECK_FALSE(pending.take());
    CHECK(f.external(0x31) == Status::Acknowledged);
    CHECK(f.external(none) == Status::Acknowledged);
    CHECK_FALSE(pending.waiting());
    CHECK(f.child.sink.external.size() == 1);
    CHECK(fast_call(f.parent, CallCode::ClearVirtualInterrupt, f.child_id()) == Status::Success);
    CHECK(f.clear() == Status::NotAcknowledged);
    CHECK(f.external(0x31) == Status::Success);
    CHECK(pending.take() == 0x31);
    pending.give_back(0x31); // the processor would not have it
    CHECK(f.clear() == Status::NotAcknowledged);
    CHECK(pending.take() == 0x31);
}

TEST_CASE("external interrupts go to the boot processor only: INVALID_VP_INDEX (TLFS 2.0a 13.5.1)", "[virq]")
{
    Family f;
    CHECK(f.external(0x20, 1) == Status::InvalidVpIndex);
    CHECK(f.external(0x20, ~std::uint64_t{0}) == Status::InvalidVpIndex);
    TestGuest const empty{f.registry, Rights::root(), 0, f.parent.partition->id()};
    CHECK(f.assert_in(empty.partition->id().value, InterruptType::ExtInt, 0, 0, 0x20) == Status::InvalidVpIndex);
    CHECK(f.assert_in(empty.partition->id().value, InterruptType::Fixed, 0, 0, 0x20) == Status::InvalidVpIndex);
    CHECK(call(f.parent, CallCode::ClearVirtualInterrupt,
               abi::ClearVirtualInterruptInput{empty.partition->id().value}) == Status::NotAcknowledged);
}

TEST_CASE("virtual interrupts by fast calls: 32 bytes need XMM registers (newest, XMM fast input)", "[virq]")
{
    Family f;
    std::uint64_t const rest[]{1, 0x42}; // destination, vector
    std::memcpy(f.parent.controls[0]->xmm.data(), rest, sizeof rest);
    CHECK(fast_call(f.parent, CallCode::AssertVirtualInterrupt, f.child_id(), 0) == Status::Success);
    CHECK(fast_call(f.parent, CallCode::AssertVirtualInterruptVtl, f.child_id(), 0) == Status::Success);
    VirtualInterrupt const expected{InterruptType::Fixed, false, 1, 0x42};
    CHECK(f.sent() == Sent{expected, expected});
}
