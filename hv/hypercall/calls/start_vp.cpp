/// Starting a VP without INIT and SIPI (TLFS 6.0b §7.10.3).
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/on_vp.hpp"

namespace hv::calls {

/// HvStartVirtualProcessor (call code 0x0099). The VP must wait for its start-up: since the machine's start, or after
/// an INIT.
Status start_virtual_processor(Caller const& caller, abi::StartVirtualProcessorInput const& in)
{
    auto const target = caller.target(in.partition);
    if (!target) return target.status();
    if (!target->active()) return Status::InvalidPartitionState;
    if (in.target_vtl != 0) return Status::InvalidVtlState;

    auto status = Status::Success;
    auto const reached =
        on_vp(caller, *target, in.vp_index, [&](VirtualProcessor& vp) { status = vp.control().start(in.context); });
    return reached == Status::Success ? status : reached;
}

} // namespace hv::calls
