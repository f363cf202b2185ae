// A guest that makes partitions and runs them: Porthole runs it with CreatePartitions, AccessMemoryPool,
// AccessVpRegisters and --children partitions=4,vps=4.
#include "hyperv/synic.hpp"
#include "parent/children.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 cpu_weight = 0x0002'0003;
constexpr u32 most_children = 4;
constexpr u32 enough = 40; ///< pages for a partition to be initialized

bool leaves_children = false; ///< to whoever ends this guest

void clean_up()
{
    if (!leaves_children && present()) {
        enable_hypercalls();
        (void)take_all_children_apart();
    }
    put_back_synthetic_state();
}

} // namespace

TEST(parent, sirbp_is_an_overlay, "6.0b 15.11; Linux, hvgdk_mini.h")
{
    NEEDS(synic);
    NEEDS(create_partitions);
    CHECK_EQ(rdmsr(msr::sirbp), 0);
    auto& page = spare_page(0);
    page.fill(0x5A);
    wrmsr(msr::sirbp, gpa(&page) | enable_bit);
    bool const zero = page.holds_only(0);
    wrmsr(msr::sirbp, 0);
    CHECK(zero);
    CHECK(page.holds_only(0x5A));
}

TEST(parent, capabilities, "Linux, hvhdk.h")
{
    NEEDS_CHILDREN();
    u64 const input[] = {vp::self_partition, 0x0009'0007, 0};
    ListCall const call{input};
    CHECK_STATUS(status(hypercall(call::get_partition_property_ex, gpa(&ListCall::page()), gpa(&ListCall::output()))),
                 Status::Success);
    CHECK_EQ(ListCall::out<u16>(0), 1);
    CHECK_EQ(ListCall::out<u64>(1), 2);
}

TEST(parent, a_partition_lives, "2.0a 5.2.5, 5.3, 5.4")
{
    NEEDS_CHILDREN();
    auto const made = create_partition();
    CHECK_STATUS(made.status, Status::Success);
    auto const child = made.partition;
    CHECK_STATUS(initialize_partition(child), Status::InsufficientMemory);
    CHECK_STATUS(finalize_partition(child), Status::InvalidPartitionState);
    CHECK_STATUS(status(deposit(child, 0, enough)), Status::Success);
    CHECK_STATUS(set_partition_property(child, privilege_flags, 0), Status::Success);
    CHECK_STATUS(initialize_partition(child), Status::Success);
    CHECK_STATUS(initialize_partition(child), Status::InvalidPartitionState);
    CHECK_STATUS(set_partition_property(child, privilege_flags, 0), Status::InvalidPartitionState);
    CHECK_STATUS(set_partition_property(child, cpu_weight, 100), Status::Success);
    CHECK_STATUS(set_partition_property(child, cpu_weight, 7), Status::PropertyValueOutOfRange);
    CHECK_STATUS(set_partition_property(child, 0x00FF'0000, 0), Status::UnknownProperty);
    CHECK_STATUS(delete_partition(child), Status::InvalidPartitionState);
    CHECK(balance(child).in_use != 0);
    CHECK_STATUS(finalize_partition(child), Status::Success);
    CHECK_EQ(balance(child).available, enough);
    CHECK_STATUS(delete_partition(child), Status::OperationDenied);
    auto const withdrawn = withdraw(child, enough + 1);
    CHECK_STATUS(status(withdrawn), Status::NoResources);
    CHECK_EQ(reps_completed(withdrawn), enough);
    CHECK_STATUS(delete_partition(child), Status::Success);
    CHECK_STATUS(delete_partition(child), Status::InvalidPartitionId);
}

TEST(parent, deposited_pages_are_out_of_reach, "2.0a 7.1.1, 7.3.1, 7.3.2")
{
    NEEDS_CHILDREN();
    auto const child = create_partition().partition;
    auto& page = spare_page(7);
    page.fill(0x5A);
    CHECK_STATUS(status(deposit(child, 7, 1)), Status::Success);
    CHECK(!page.holds_only(0x5A));
    page.fill(0xA5); // goes nowhere
    CHECK(!page.holds_only(0xA5));
    CHECK_STATUS(status(hypercall(call::get_partition_property, gpa(&page), gpa(&ListCall::output()))),
                 Status::InvalidAlignment); // nor do hypercalls reach it
    CHECK_STATUS(status(deposit(child, 7, 1)), Status::OperationDenied);
    CHECK_STATUS(status(deposit_page(child, 0xFEE00)), Status::OperationDenied);
    CHECK_STATUS(status(withdraw(child, 1)), Status::Success);
    CHECK_EQ(ListCall::out<u64>(0), gpa(&page) / page_size);
    CHECK(page.holds_only(0));
    page.fill(0x5A);
    CHECK(page.holds_only(0x5A));
}

TEST(parent, overlays_are_in_use, "2.0a 7.3.1, 8.1.3")
{
    NEEDS_CHILDREN();
    NEEDS(synic);
    auto const child = create_partition().partition;
    wrmsr(msr::simp, gpa(&spare_page(3)) | enable_bit);
    auto const refused = status(deposit(child, 3, 1));
    wrmsr(msr::simp, 0);
    CHECK_STATUS(refused, Status::ObjectInUse);
    CHECK_STATUS(status(deposit_page(child, hypercall_page() / page_size)), Status::ObjectInUse);
    CHECK_STATUS(status(deposit(child, 3, 1)), Status::Success);
}

TEST(parent, every_second_page, "2.0a 7.3.1")
{
    NEEDS_CHILDREN();
    auto const child = create_partition().partition;
    for (u32 page = 0; page < spare_pages; page += 2)
        CHECK_STATUS(status(deposit(child, page, 1)), Status::Success);
    for (u32 page = 1; page < spare_pages; page += 2)
        spare_page(page).fill(static_cast<u8>(page));
    for (u32 page = 1; page < spare_pages; page += 2) {
        note_position(page);
        CHECK(spare_page(page).holds_only(static_cast<u8>(page)));
    }
    CHECK_EQ(balance(child).available, spare_pages / 2);
}

TEST(parent, limits, "2.0a 5.6.1")
{
    NEEDS_CHILDREN();
    for (u32 n = 0; n < most_children; ++n)
        CHECK_STATUS(create_partition().status, Status::Success);
    CHECK_STATUS(create_partition().status, Status::NoResources);
    CHECK_STATUS(create_partition({.flags = 1}).status, Status::InvalidParameter);
    u64 last = no_partition;
    for (u32 n = 0; n < most_children; ++n) {
        auto const next = next_child(vp::self_partition, last);
        CHECK_STATUS(next.status, Status::Success);
        CHECK(next.partition > last);
        last = next.partition;
    }
    CHECK_EQ(next_child(vp::self_partition, last).partition, no_partition);
    CHECK_EQ(take_all_children_apart(), most_children);
}

TEST(parent, a_hundred_times, "2.0a 5.4.3")
{
    NEEDS_CHILDREN();
    for (u32 round = 0; round < 100; ++round) {
        note_position(round);
        auto const made = create_partition();
        CHECK_STATUS(made.status, Status::Success);
        CHECK_STATUS(status(deposit(made.partition, 0, enough)), Status::Success);
        CHECK_STATUS(initialize_partition(made.partition), Status::Success);
        CHECK_EQ(take_all_children_apart(), 1);
    }
}

LAST_TEST(parent, leaves_a_child_behind, "2.0a 5.4")
{
    NEEDS_CHILDREN();
    leaves_children = true;
    auto const made = create_partition();
    CHECK_STATUS(made.status, Status::Success);
    CHECK_STATUS(status(deposit(made.partition, 0, enough)), Status::Success);
    CHECK_STATUS(initialize_partition(made.partition), Status::Success);
}

u32 guest_main()
{
    start_cpus();
    print("# parent: ", cpu_count(), " processors\n");
    return run_tests(clean_up);
}
