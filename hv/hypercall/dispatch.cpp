#include "hv/hypercall/dispatch.hpp"

#include "hv/hypercall/caller.hpp"
#include "hv/hypercall/parameters.hpp"
#include "hv/partition/partition.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace hv {

namespace {

constexpr std::size_t largest_parameters = 280; // of a simple call, and the header of any other
using Parameters = std::array<std::byte, largest_parameters>;

Status perform_simple(VirtualProcessor& vp, HypercallRegisters const& registers, CallInfo const* call,
                      Parameters& input)
{
    auto const control = registers.control;
    if (!control.simple()) return Status::InvalidHypercallInput;

    auto& partition = vp.partition();
    std::byte* output_block = nullptr;
    if (control.fast()) {
        if (call->output_size != 0) return Status::InvalidHypercallInput;
        auto const status = copy_fast_input(vp, registers, call->input_size, input.data());
        if (status != Status::Success) return status;
    } else {
        if (call->input_size != 0) {
            auto const* const block = parameter_block(partition.memory(), registers.input, call->input_size);
            if (!block) return Status::InvalidAlignment;
            copy_from_shared(input.data(), block, call->input_size);
        }
        if (call->output_size != 0) {
            output_block = parameter_block(partition.memory(), registers.output, call->output_size);
            if (!output_block) return Status::InvalidAlignment;
        }
    }

    alignas(8) Parameters output;
    auto const status = call->handler({partition, vp, *call}, input.data(), output.data());
    if (status == Status::Success && output_block) copy_to_shared(output_block, output.data(), call->output_size);
    return status;
}

std::uint64_t perform(VirtualProcessor& vp, HypercallRegisters const& registers, CallInfo const* call,
                      Parameters& input)
{
    if (!call) return abi::result(Status::InvalidHypercallCode);
    if (call->kind != CallInfo::Kind::Simple) [[unlikely]]
        return perform_list_call(vp, registers, *call, input.data());
    return abi::result(perform_simple(vp, registers, call, input));
}

} // namespace

std::uint64_t dispatch(VirtualProcessor& vp, HypercallRegisters const& registers)
{
    auto const* const call = find_call(registers.control.code());
    auto* const tracer = vp.partition().tracer();
    alignas(8) Parameters input;
    if (tracer) input.fill(std::byte{}); // a refused call may leave it unwritten
    auto const result = perform(vp, registers, call, input);

    if (tracer) [[unlikely]] {
        auto const copied = call ? std::span{input}.first(call->input_size) : std::span<std::byte>{};
        tracer->hypercall(vp.index(), registers.control, call ? call->name : nullptr, copied, result);
    }
    return result;
}

} // namespace hv
