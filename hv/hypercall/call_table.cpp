/// The table of hypercalls: a line for each. Sizes and calling convention follow from the handler's types.
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/dispatch.hpp"

#include <array>

namespace hv {

namespace {

using abi::CallCode;

template <auto Function>
struct Thunk;

template <typename In, Status (*Function)(Caller const&, In const&)>
struct Thunk<Function> {
    static constexpr std::uint16_t input_size = sizeof(In);
    static constexpr std::uint16_t output_size = 0;
    static Status call(Caller const& caller, std::byte const* in, std::byte*)
    {
        return Function(caller, *reinterpret_cast<In const*>(in));
    }
};

template <typename Out, Status (*Function)(Caller const&, Out&)>
requires(!std::is_const_v<Out>) struct Thunk<Function> {
    static constexpr std::uint16_t input_size = 0;
    static constexpr std::uint16_t output_size = sizeof(Out);
    static Status call(Caller const& caller, std::byte const*, std::byte* out)
    {
        return Function(caller, *reinterpret_cast<Out*>(out));
    }
};

template <auto Function>
constexpr CallInfo entry(CallCode code, char const* name)
{
    using T = Thunk<Function>;
    return {code, name, T::input_size, T::output_size, &T::call};
}

constexpr std::array table{
    entry<calls::get_partition_id>(CallCode::GetPartitionId, "HvGetPartitionId"),
    entry<calls::create_port>(CallCode::CreatePort, "HvCreatePort"),
    entry<calls::delete_port>(CallCode::DeletePort, "HvDeletePort"),
    entry<calls::connect_port>(CallCode::ConnectPort, "HvConnectPort"),
    entry<calls::disconnect_port>(CallCode::DisconnectPort, "HvDisconnectPort"),
    entry<calls::post_message>(CallCode::PostMessage, "HvPostMessage"),
    entry<calls::signal_event>(CallCode::SignalEvent, "HvSignalEvent"),
    entry<calls::create_port_vtl>(CallCode::CreatePortVtl, "HvCallCreatePort"),
    entry<calls::connect_port_vtl>(CallCode::ConnectPortVtl, "HvCallConnectPort"),
};

} // namespace

std::span<CallInfo const> call_table()
{
    return table;
}

} // namespace hv
