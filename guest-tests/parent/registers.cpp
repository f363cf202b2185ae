// Registers of a child's VP that are set one by one, from one of the processor's modes to another.
#include "hyperv/synic.hpp"
#include "parent/child.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u64 paging = u64{1} << 31;
constexpr u64 lme = 1U << 8;
constexpr u64 lma = 1U << 10;
constexpr u64 pae = 1U << 5;
constexpr u8 halt[] = {0xF4};

} // namespace

TEST(registers, of_a_vp_that_has_not_run, "2.0a 10.4.1; Intel SDM vol. 3 10.1.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK_STATUS(child.create_vp(), Status::Success);
    CHECK_EQ(child.get(reg::rip), 0xFFF0);
    CHECK_EQ(child.get(reg::rflags), 2);
    CHECK_EQ(child.get(reg::rax), 0);
    CHECK_STATUS(child.set(reg::rax, 1), Status::Success);
    CHECK_EQ(child.get(reg::rip), 0xFFF0); // and what is not set is as it was
}

TEST(registers, through_states_that_no_processor_can_be_in, "2.0a 10.2.2; Intel SDM vol. 3 10.8.5")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK(child.load(halt));
    auto const before = child.get(reg::cr0);
    CHECK_STATUS(child.set(reg::efer, lme), Status::Success);
    CHECK_STATUS(child.set(reg::cr0, before | paging | 1), Status::Success); // long mode wants PAE
    CHECK_EQ(child.get(reg::cr0), before | paging | 1);
    CHECK_STATUS(child.set(reg::cr0, u64{1} << 40), Status::InvalidRegisterValue);
    CHECK_STATUS(child.set(reg::cr4, pae), Status::Success);
    CHECK_EQ(child.get(reg::efer), lme | lma);
    CHECK_STATUS(child.set(reg::cr0, before), Status::Success);
    CHECK_EQ(child.get(reg::efer), lme);
    CHECK(child.run());
    CHECK_EQ(next_intercept().type, message::halt);
}

TEST(registers, other_state_may_change_on_the_way, "2.0a 10.2.2, 10.3.3")
{
    NEEDS_RUNNING_CHILDREN();
    constexpr u64 interrupt = u64{0x40} << 16 | 1;
    Child const child;
    CHECK(child.load(halt));
    auto const before = child.get(reg::cr0);
    CHECK_STATUS(child.set(reg::pending_interruption, interrupt), Status::Success);
    CHECK_EQ(child.get(reg::pending_interruption), interrupt);
    CHECK_STATUS(child.set(reg::cr0, (before | paging) & ~u64{1}), Status::Success);
    CHECK_STATUS(child.set(reg::pending_interruption, 0), Status::Success);
    CHECK_STATUS(child.set(reg::cr0, before), Status::Success);
    CHECK_EQ(child.get(reg::pending_interruption), 0);
}

TEST(registers, a_state_that_no_processor_can_be_in_is_not_entered, "2.0a 9.3.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK(child.load(halt));
    auto const before = child.get(reg::cr0);
    CHECK_STATUS(child.set(reg::cr0, (before | paging) & ~u64{1}), Status::Success); // paging without protection
    CHECK(child.run());
    CHECK_EQ(next_intercept().type, message::unrecoverable_exception);
    CHECK_STATUS(child.set(reg::cr0, before), Status::Success);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().type, message::halt);
}
