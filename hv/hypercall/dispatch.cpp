#include "hv/hypercall/dispatch.hpp"

#include "hv/partition/partition.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace hv {

namespace {

constexpr std::size_t largest_parameters = 256;
using Parameters = std::array<std::byte, largest_parameters>;

constexpr std::size_t indexed_codes = 0x100;

/// Position in the table by call code, plus one; 0 where there is none.
std::array<std::uint8_t, indexed_codes> make_index()
{
    std::array<std::uint8_t, indexed_codes> index{};
    auto const table = call_table();
    for (std::size_t i = 0; i < table.size(); ++i)
        index[static_cast<std::size_t>(table[i].code)] = static_cast<std::uint8_t>(i + 1);
    return index;
}

CallInfo const* find_call(std::uint16_t code)
{
    static auto const index = make_index();
    if (code >= indexed_codes || index[code] == 0) return nullptr;
    return &call_table()[index[code] - 1U];
}

/// The host address of a parameter block, or nullptr when it is misaligned, crosses a page or is not RAM (§4.6).
std::byte* parameter_block(GuestMemory const& memory, std::uint64_t gpa, std::size_t size)
{
    if (gpa % abi::parameter_alignment != 0 || gpa % page_size + size > page_size) return nullptr;
    return memory.at(Gpa{gpa}, size);
}

/// A fast call's input: two registers, and XMM0 to XMM5 behind them (§4.7.1).
Status copy_fast_input(VirtualProcessor& vp, HypercallRegisters const& registers, std::size_t size, Parameters& to)
{
    std::memcpy(to.data(), &registers.input, sizeof registers.input);
    std::memcpy(to.data() + sizeof registers.input, &registers.output, sizeof registers.output);
    if (size <= abi::fast_input_bytes) return Status::Success;

    if (size > abi::xmm_input_bytes || !vp.partition().rights().has(Feature::XmmInput))
        return Status::InvalidHypercallInput;
    auto const xmm = std::span{to}.subspan<abi::fast_input_bytes, abi::xmm_input_bytes - abi::fast_input_bytes>();
    return vp.control().read_xmm(xmm) ? Status::Success : Status::InvalidHypercallInput;
}

Status perform(VirtualProcessor& vp, HypercallRegisters const& registers, CallInfo const* call, Parameters& input)
{
    auto const control = registers.control;
    if (!call) return Status::InvalidHypercallCode;
    if (!control.reserved_clear() || control.variable_header_qwords() != 0 || control.rep_count() != 0 ||
        control.rep_start() != 0)
        return Status::InvalidHypercallInput;

    auto& partition = vp.partition();
    std::byte* output_block = nullptr;
    if (control.fast()) {
        if (call->output_size != 0) return Status::InvalidHypercallInput;
        auto const status = copy_fast_input(vp, registers, call->input_size, input);
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
    auto const status = call->handler({partition, vp}, input.data(), output.data());
    if (status == Status::Success && output_block) copy_to_shared(output_block, output.data(), call->output_size);
    return status;
}

} // namespace

std::uint64_t dispatch(VirtualProcessor& vp, HypercallRegisters const& registers)
{
    auto const* const call = find_call(registers.control.code());
    auto* const tracer = vp.partition().tracer();
    alignas(8) Parameters input;
    if (tracer) input.fill(std::byte{}); // a refused call may leave it unwritten
    auto const result = abi::result(perform(vp, registers, call, input));

    if (tracer) [[unlikely]] {
        auto const copied = call ? std::span{input}.first(call->input_size) : std::span<std::byte>{};
        tracer->hypercall(vp.index(), registers.control, call ? call->name : nullptr, copied, result);
    }
    return result;
}

} // namespace hv
