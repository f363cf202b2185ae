#include "hyperv/vp_registers.hpp"

namespace guest {

namespace {

struct GetInput {
    RegisterHeader header;
    u32 name;
    u32 padding;
};

struct SetInput {
    RegisterHeader header;
    u32 name;
    u32 padding[3];
    RegisterValue value;
};
static_assert(sizeof(SetInput) == 48);

constexpr u64 output_offset = 2048; // of the input page

} // namespace

hv::Status RegisterQuery::make()
{
    auto* const page = static_cast<u8*>(hv::input_page());
    GetInput input{};
    input.header.partition = partition_;
    input.header.vp_index = index_;
    input.name = name_;
    memcpy(page, &input, sizeof input);
    auto const at = reinterpret_cast<u64>(page);
    auto const result = hv::hypercall(hv::call::get_vp_registers | hv::rep_count(1), at, at + output_offset);
    if (hv::status(result) == hv::Status::Success) memcpy(&value_, page + output_offset, sizeof value_);
    return hv::status(result);
}

hv::Status get_register(u32 vp_index, u32 name, RegisterValue& value, u64 partition)
{
    RegisterQuery query{vp_index, name, partition};
    auto const status = query.make();
    if (status == hv::Status::Success) value = query.value();
    return status;
}

hv::Status set_register(u32 vp_index, u32 name, RegisterValue const& value, u64 partition)
{
    SetInput input{};
    input.header.partition = partition;
    input.header.vp_index = vp_index;
    input.name = name;
    input.value = value;
    return hv::call_with(hv::call::set_vp_registers | hv::rep_count(1), input);
}

} // namespace guest
