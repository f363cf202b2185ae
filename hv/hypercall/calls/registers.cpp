/// A VP's registers by hypercall (TLFS 6.0b §7.10.1, §7.10.2; 2.0a §10.4.3, §10.4.4).
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/on_vp.hpp"

namespace hv::calls {

namespace {

/// Which partition's VP is meant, or why not.
Target target_of(Caller const& caller, abi::VpRegistersInput const& in)
{
    auto target = caller.target(in.partition);
    if (!target) return target;
    if (!target->active()) return Target{Status::InvalidPartitionState};
    bool const reserved = (in.reserved[0] | in.reserved[1] | in.reserved[2]) != 0;
    if (reserved || !abi::names_vtl0(in.input_vtl)) return Target{Status::InvalidParameter};
    return target;
}

/// A VP does not reach the registers by which it is suspended (2.0a §10.3.1).
bool withheld(Caller const& caller, Partition const& target, abi::RegisterName name)
{
    return &target == &caller.partition && Suspension::has(name);
}

} // namespace

/// HvGetVpRegisters (call code 0x0050, rep). The whole list is read at one moment of the VP's life.
Progress get_vp_registers(Caller const& caller, abi::VpRegistersInput const& in,
                          std::span<abi::RegisterName const> names, std::span<abi::RegisterValue> values)
{
    auto const target = target_of(caller, in);
    if (!target) return {target.status(), 0};

    Progress progress{Status::Success, 0};
    auto const reached = on_vp(caller, *target, in.vp_index, [&](VirtualProcessor& vp) {
        for (auto const name : names) {
            auto const value = withheld(caller, *target, name) ? Status::InvalidParameter : vp.get_register(name);
            progress.status = value.status();
            if (!value) return;
            values[progress.done++] = *value;
        }
    });
    return reached == Status::Success ? progress : Progress{reached, 0};
}

/// HvSetVpRegisters (call code 0x0051, rep; may be fast). Registers are set one by one, in order.
Progress set_vp_registers(Caller const& caller, abi::VpRegistersInput const& in,
                          std::span<abi::SetRegisterElement const> registers)
{
    auto const target = target_of(caller, in);
    if (!target) return {target.status(), 0};

    Progress progress{Status::Success, 0};
    auto const reached = on_vp(caller, *target, in.vp_index, [&](VirtualProcessor& vp) {
        if (auto* const suspension = vp.suspension()) suspension->dealt_with_by(caller.vp.index());
        for (auto const& element : registers) {
            progress.status = withheld(caller, *target, element.name) ? Status::InvalidParameter
                                                                      : vp.set_register(element.name, element.value);
            if (progress.status != Status::Success) return;
            ++progress.done;
        }
    });
    return reached == Status::Success ? progress : Progress{reached, 0};
}

} // namespace hv::calls
