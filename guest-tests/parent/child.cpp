#include "parent/child.hpp"

#include "hyperv/vp_calls.hpp"

namespace guest {

using namespace hv;

namespace {

constexpr unsigned intercept_sint = 0;
constexpr u32 pool_pages = 120;

} // namespace

Child::Child(u64 flags, Rights const& rights)
{
    auto const made = create_partition({.flags = flags});
    id_ = made.partition;
    bool const granted =
        rights.property == 0 || set_partition_property(id_, rights.property, rights.value) == Status::Success;
    ready_ = made.status == Status::Success && granted && status(deposit(id_, 0, pool_pages)) == Status::Success &&
             initialize_partition(id_) == Status::Success;
}

Status Child::create_vp(u32 index) const
{
    struct {
        u64 partition;
        u32 index, reserved;
        u64 subnode, proximity, flags;
    } const input{id_, index, 0, 0, 0, 0};
    return call_with(call::create_vp, input);
}

Status Child::delete_vp(u32 index) const
{
    return status(hypercall(call::delete_vp | fast, id_, index));
}

u64 Child::map(u64 base, u32 spare, u32 count, u32 flags) const
{
    return map_page_numbers(base, gpa(&spare_page(spare)) / page_size, count, flags);
}

u64 Child::map_page_numbers(u64 base, u64 first, u32 count, u32 flags) const
{
    u64 const header[] = {id_, base, flags};
    ListCall list{header};
    for (u32 i = 0; i < count; ++i)
        list.add(first + i);
    return list.reps(call::map_gpa_pages);
}

u64 Child::unmap(u64 base, u32 count) const
{
    u64 const header[] = {id_, base, 0};
    ListCall const list{header};
    return hypercall(call::unmap_gpa_pages | rep_count(count), gpa(&ListCall::page()));
}

Status Child::set(u32 name, u64 value, u32 vp) const
{
    return set(name, {value, 0}, vp);
}

Status Child::set(u32 name, RegisterValue const& value, u32 vp) const
{
    return set_register(vp, name, value, id_);
}

u64 Child::get(u32 name, u32 vp) const
{
    RegisterValue value{};
    return get_register(vp, name, value, id_) == Status::Success ? value.low : ~u64{0};
}

bool Child::load(u8 const* code, u32 size, u64 page) const
{
    memcpy(spare_page(first_page).bytes, code, size);
    if (status(map(page, first_page, 1)) != Status::Success || create_vp() != Status::Success) return false;
    constexpr u64 limit_and_attributes = 0xFFFF | u64{0x9B} << 48; // present, code, read, accessed
    return set_register(0, reg::cs, {0, limit_and_attributes}, id_) == Status::Success &&
           set(reg::rip, page * page_size) == Status::Success &&
           set(reg::rsp, page * page_size + 0xF00) == Status::Success;
}

bool Child::run(u32 vp) const
{
    return set(reg::explicit_suspend, 0, vp) == Status::Success;
}

Intercepted next_intercept(u32 milliseconds)
{
    Intercepted out{};
    if (!wait_for_message(intercept_sint, 0, milliseconds)) return out;
    auto const volatile& from = slot(intercept_sint);
    out.type = from.type;
    out.payload_size = from.payload_size;
    out.partition = from.origin;
    for (unsigned i = 0; i < 30; ++i)
        out.payload[i] = from.payload[i];
    release_slot(intercept_sint);
    return out;
}

bool no_intercept()
{
    return next_intercept(20).type == 0;
}

} // namespace guest
