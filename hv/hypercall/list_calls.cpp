/// Calls with a list behind their header: the list is copied once, checked for where it lies, and handed to the call
/// as a whole.
#include "hv/hypercall/caller.hpp"
#include "hv/hypercall/parameters.hpp"
#include "hv/partition/partition.hpp"

namespace hv {

namespace {

using Block = std::byte[page_size];

/// Which elements a call is about: those from `start` on; the ones before it are done (§4.2).
struct Elements {
    std::size_t start;
    std::size_t count;
};

Status elements_of(abi::Control control, CallInfo const& call, Elements& elements)
{
    if (!control.reserved_clear()) return Status::InvalidHypercallInput;
    if (call.kind == CallInfo::Kind::VariableHeader) {
        if (control.rep_count() != 0 || control.rep_start() != 0) return Status::InvalidHypercallInput;
        elements = {0, control.variable_header_qwords()};
        return Status::Success;
    }
    if (control.variable_header_qwords() != 0 || control.rep_start() >= control.rep_count())
        return Status::InvalidHypercallInput;
    elements = {control.rep_start(), control.rep_count()};
    return Status::Success;
}

Status copy_input(VirtualProcessor& vp, HypercallRegisters const& registers, std::size_t size, Block& to)
{
    if (registers.control.fast()) return copy_fast_input(vp, registers, size, to);
    auto const* const block = parameter_block(vp.partition().memory(), registers.input, size);
    if (!block) return Status::InvalidAlignment;
    copy_from_shared(to, block, size);
    return Status::Success;
}

} // namespace

std::uint64_t perform_list_call(VirtualProcessor& vp, HypercallRegisters const& registers, CallInfo const& call,
                                std::byte* header)
{
    auto const control = registers.control;
    Elements elements{};
    if (auto const status = elements_of(control, call, elements); status != Status::Success)
        return abi::result(status);
    auto const fixed_output = std::size_t{call.output_size};
    if (control.fast() && (call.output_element != 0 || fixed_output != 0))
        return abi::result(Status::InvalidHypercallInput);

    alignas(8) Block input;
    auto const input_size = call.input_size + elements.count * call.input_element;
    if (auto const status = copy_input(vp, registers, input_size, input); status != Status::Success)
        return abi::result(status, elements.start);
    std::memcpy(header, input, call.input_size);

    std::byte* output_block = nullptr;
    if (call.output_element != 0 || fixed_output != 0) {
        auto const size = fixed_output + elements.count * call.output_element;
        output_block = parameter_block(vp.partition().memory(), registers.output, size);
        if (!output_block) return abi::result(Status::InvalidAlignment, elements.start);
    }

    alignas(8) Block output;
    auto const first_output = elements.start * call.output_element;
    auto const* const first = input + call.input_size + elements.start * call.input_element;
    auto const progress = call.list_handler({vp.partition(), vp, call, elements.start}, input, first,
                                            elements.count - elements.start, output);
    if (fixed_output != 0) {
        if (progress.status == Status::Success) copy_to_shared(output_block, output, fixed_output);
        return abi::result(progress.status);
    }
    if (output_block) copy_to_shared(output_block + first_output, output, progress.done * call.output_element);
    return abi::result(progress.status, elements.start + progress.done);
}

} // namespace hv
