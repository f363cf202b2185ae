/// The VPs of children (TLFS 2.0a §10.4), and what their parent hears of them (§9.3).
#include "hv/abi/vp_calls.hpp"
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/own_child.hpp"
#include "hv/partition/children.hpp"

namespace hv::calls {

namespace {

/// The third is of encrypted partitions.
bool is_there(abi::VpStatePage type)
{
    return type == abi::VpStatePage::Registers || type == abi::VpStatePage::InterceptMessage;
}

} // namespace

/// HvCreateVp (§10.4.1; call code 0x004E), with the input of the newest text. There is one proximity domain. Linux
/// leaves what was there before in the reserved bytes, and in the subnode's ID where it wants any subnode.
Status create_vp(Caller const& caller, abi::CreateVpInput const& in)
{
    return with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        if (in.subnode_type != 0 || in.flags != 0 || !in.proximity.reserved_clear()) return Status::InvalidParameter;
        return all.create_vp(child, VpIndex{in.vp_index});
    });
}

/// HvDeleteVp (§10.4.2; call code 0x004F; may be fast).
Status delete_vp(Caller const& caller, abi::DeleteVpInput const& in)
{
    return with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        return all.delete_vp(child, VpIndex{in.vp_index});
    });
}

/// HvInstallIntercept (§9.3.1; call code 0x004D).
Status install_intercept(Caller const& caller, abi::InstallInterceptInput const& in)
{
    return with_own_child(caller, in.partition,
                          [&](Children& all, Partition& child) { return all.install(child, in); });
}

/// HvCallMapVpStatePage (newest; call code 0x00E1). The parent says where, as a layered host has to.
Result<abi::MapVpStatePageOutput> map_vp_state_page(Caller const& caller, abi::MapVpStatePageInput const& in)
{
    auto const status = with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        if (!abi::names_vtl0(in.input_vtl) || in.flags != abi::MapVpStatePageInput::location_provided)
            return Status::InvalidParameter;
        if (!is_there(in.type)) return Status::InvalidParameter;
        return all.show_page(child, VpIndex{in.vp_index}, in.type, in.location);
    });
    if (status != Status::Success) return status;
    return abi::MapVpStatePageOutput{in.location};
}

/// HvCallUnmapVpStatePage (newest; call code 0x00E2).
Status unmap_vp_state_page(Caller const& caller, abi::UnmapVpStatePageInput const& in)
{
    return with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        if (!abi::names_vtl0(in.input_vtl) || !is_there(in.type)) return Status::InvalidParameter;
        return all.hide_page(child, VpIndex{in.vp_index}, in.type);
    });
}

} // namespace hv::calls
