#include "parent/children.hpp"

namespace guest {

using namespace hv;

namespace {

Page spares[spare_pages];

Status fast_call(u64 code, u64 partition)
{
    return status(hypercall(code | fast, partition));
}

/// A call with output, whose words are ListCall::out's.
template <typename Input>
Status call_for(u64 code, Input const& input)
{
    ListCall const call{input};
    return status(hypercall(code, gpa(&ListCall::page()), gpa(&ListCall::output())));
}

} // namespace

Page& spare_page(u32 number)
{
    return spares[number];
}

Created create_partition(CreatePartitionInput const& input)
{
    auto const made = call_for(call::create_partition, input);
    return {made, made == Status::Success ? ListCall::out<u64>(0) : no_partition};
}

Status initialize_partition(u64 partition)
{
    return fast_call(call::initialize_partition, partition);
}

Status finalize_partition(u64 partition)
{
    return fast_call(call::finalize_partition, partition);
}

Status delete_partition(u64 partition)
{
    return fast_call(call::delete_partition, partition);
}

NextChild next_child(u64 parent, u64 previous)
{
    u64 const input[] = {parent, previous};
    auto const found = call_for(call::get_next_child_partition, input);
    return {found, found == Status::Success ? ListCall::out<u64>(0) : no_partition};
}

Status set_partition_property(u64 partition, u32 code, u64 value)
{
    struct {
        u64 partition, code, value;
    } const input{partition, code, value};
    return call_with(call::set_partition_property, input);
}

u64 deposit(u64 partition, u32 first, u32 count)
{
    ListCall list{partition};
    for (u32 i = 0; i < count; ++i)
        list.add(gpa(&spares[first + i]) / page_size);
    return list.reps(call::deposit_memory);
}

u64 deposit_page(u64 partition, u64 page_number)
{
    ListCall list{partition};
    list.add(page_number);
    return list.reps(call::deposit_memory);
}

u64 withdraw(u64 partition, u32 count)
{
    u64 const input[] = {partition, 0};
    ListCall const list{input};
    return hypercall(call::withdraw_memory | rep_count(count), gpa(&ListCall::page()), gpa(&ListCall::output()));
}

Balance balance(u64 partition)
{
    u64 const input[] = {partition, 0};
    auto const told = call_for(call::get_memory_balance, input);
    return {told, ListCall::out<u64>(0), ListCall::out<u64>(1)};
}

u32 take_all_children_apart()
{
    u32 count = 0;
    for (;;) {
        auto const child = next_child(vp::self_partition, no_partition);
        if (child.status != Status::Success || child.partition == no_partition) return count;
        (void)finalize_partition(child.partition);
        while (status(withdraw(child.partition, 512)) == Status::Success) {
        }
        if (delete_partition(child.partition) != Status::Success) return count;
        ++count;
    }
}

} // namespace guest
