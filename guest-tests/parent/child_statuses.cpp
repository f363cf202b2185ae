// What the calls about VPs and memory of children refuse.
#include "parent/child.hpp"

using namespace guest;
using namespace guest::hv;

TEST(running, statuses, "2.0a 8.3.1, 8.3.2, 10.4.1, 10.4.2")
{
    NEEDS_RUNNING_CHILDREN();
    auto const early = create_partition({.flags = creation::exo});
    struct {
        u64 partition, rest[4];
    } const vp_of_early{early.partition, {}};
    CHECK_STATUS(call_with(call::create_vp, vp_of_early), Status::InvalidPartitionState);
    CHECK_STATUS(delete_partition(early.partition), Status::Success);

    Child const child;
    CHECK_STATUS(child.create_vp(4), Status::InvalidVpIndex);
    CHECK_STATUS(child.create_vp(3), Status::Success); // in any order
    CHECK_STATUS(child.create_vp(0), Status::Success);
    CHECK_STATUS(child.create_vp(3), Status::InvalidVpIndex);
    CHECK_STATUS(child.delete_vp(2), Status::InvalidVpIndex);
    CHECK_STATUS(child.set(reg::rax, 1, 2), Status::InvalidVpIndex);

    auto const page = Child::first_page;
    CHECK_STATUS(status(child.map(5, page, 1, access::write)), Status::InvalidParameter);
    CHECK_STATUS(status(child.map(5, page, 1, access::read | 1u << 18)), Status::InvalidParameter);
    CHECK_STATUS(status(child.map(u64{1} << 36, page, 1)), Status::InvalidParameter);
    CHECK_STATUS(status(child.map(5, 0, 1)), Status::OperationDenied); // in the child's own pool
    auto const mapped = child.map(5, page, 3);
    CHECK_STATUS(status(mapped), Status::Success);
    CHECK_EQ(reps_completed(mapped), 3);
    CHECK_STATUS(status(deposit(child.id(), page + 1, 1)), Status::ObjectInUse);
    CHECK_STATUS(status(child.unmap(6, 1)), Status::Success);
    CHECK_STATUS(status(deposit(child.id(), page + 1, 1)), Status::Success);
    CHECK_STATUS(status(child.map(6, page + 1, 1)), Status::OperationDenied);
    CHECK_STATUS(status(child.unmap((u64{1} << 36) - 1, 2)), Status::InvalidParameter);
}
