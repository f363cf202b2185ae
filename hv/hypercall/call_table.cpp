/// The table of hypercalls: a line for each. Sizes and calling convention follow from the handler's types.
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/dispatch.hpp"

#include <algorithm>
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

template <typename In, typename Out, Status (*Function)(Caller const&, In const&, Out&)>
struct Thunk<Function> {
    static constexpr std::uint16_t input_size = sizeof(In);
    static constexpr std::uint16_t output_size = sizeof(Out);
    static Status call(Caller const& caller, std::byte const* in, std::byte* out)
    {
        return Function(caller, *reinterpret_cast<In const*>(in), *reinterpret_cast<Out*>(out));
    }
};

template <auto Function>
constexpr CallInfo entry(CallCode code, char const* name)
{
    using T = Thunk<Function>;
    return {code, name, T::input_size, T::output_size, &T::call};
}

template <auto Function>
struct ListThunk;

template <typename Header, typename In, typename Out,
          Progress (*Function)(Caller const&, Header const&, std::span<In const>, std::span<Out>)>
struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::Rep;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = sizeof(In);
    static constexpr std::uint16_t output_element = sizeof(Out);
    static Progress call(Caller const& caller, std::byte const* header, std::byte const* elements, std::size_t count,
                         std::byte* out)
    {
        return Function(caller, *reinterpret_cast<Header const*>(header),
                        {reinterpret_cast<In const*>(elements), count}, {reinterpret_cast<Out*>(out), count});
    }
};

template <typename Header, typename In, Progress (*Function)(Caller const&, Header const&, std::span<In const>)>
struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::Rep;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = sizeof(In);
    static constexpr std::uint16_t output_element = 0;
    static Progress call(Caller const& caller, std::byte const* header, std::byte const* elements, std::size_t count,
                         std::byte*)
    {
        return Function(caller, *reinterpret_cast<Header const*>(header),
                        {reinterpret_cast<In const*>(elements), count});
    }
};

template <typename Header, Status (*Function)(Caller const&, Header const&, std::span<std::uint64_t const>)>
struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::VariableHeader;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = sizeof(std::uint64_t);
    static constexpr std::uint16_t output_element = 0;
    static Progress call(Caller const& caller, std::byte const* header, std::byte const* words, std::size_t count,
                         std::byte*)
    {
        return {Function(caller, *reinterpret_cast<Header const*>(header),
                         {reinterpret_cast<std::uint64_t const*>(words), count}),
                0};
    }
};

template <auto Function>
constexpr CallInfo list_entry(CallCode code, char const* name)
{
    using T = ListThunk<Function>;
    return {code, name, T::input_size, 0, nullptr, T::kind, T::input_element, T::output_element, &T::call};
}

constexpr std::array table{
    entry<calls::notify_long_spin_wait>(CallCode::NotifyLongSpinWait, "HvNotifyLongSpinWait"),
    entry<calls::send_cluster_ipi>(CallCode::SendSyntheticClusterIpi, "HvSendSyntheticClusterIpi"),
    list_entry<calls::send_cluster_ipi_ex>(CallCode::SendSyntheticClusterIpiEx, "HvSendSyntheticClusterIpiEx"),
    entry<calls::get_partition_property>(CallCode::GetPartitionProperty, "HvGetPartitionProperty"),
    entry<calls::get_partition_id>(CallCode::GetPartitionId, "HvGetPartitionId"),
    list_entry<calls::get_vp_registers>(CallCode::GetVpRegisters, "HvGetVpRegisters"),
    list_entry<calls::set_vp_registers>(CallCode::SetVpRegisters, "HvSetVpRegisters"),
    entry<calls::assert_virtual_interrupt>(CallCode::AssertVirtualInterrupt, "HvAssertVirtualInterrupt"),
    entry<calls::clear_virtual_interrupt>(CallCode::ClearVirtualInterrupt, "HvClearVirtualInterrupt"),
    entry<calls::create_port>(CallCode::CreatePort, "HvCreatePort"),
    entry<calls::delete_port>(CallCode::DeletePort, "HvDeletePort"),
    entry<calls::connect_port>(CallCode::ConnectPort, "HvConnectPort"),
    entry<calls::get_port_property>(CallCode::GetPortProperty, "HvGetPortProperty"),
    entry<calls::disconnect_port>(CallCode::DisconnectPort, "HvDisconnectPort"),
    entry<calls::post_message>(CallCode::PostMessage, "HvPostMessage"),
    entry<calls::signal_event>(CallCode::SignalEvent, "HvSignalEvent"),
    entry<calls::set_port_property>(CallCode::SetPortProperty, "HvSetPortProperty"),
    entry<calls::assert_virtual_interrupt_vtl>(CallCode::AssertVirtualInterruptVtl, "HvCallAssertVirtualInterrupt"),
    entry<calls::create_port_vtl>(CallCode::CreatePortVtl, "HvCallCreatePort"),
    entry<calls::connect_port_vtl>(CallCode::ConnectPortVtl, "HvCallConnectPort"),
    entry<calls::start_virtual_processor>(CallCode::StartVirtualProcessor, "HvStartVirtualProcessor"),
    list_entry<calls::get_vp_index_from_apic_id>(CallCode::GetVpIndexFromApicId, "HvGetVpIndexFromApicId"),
    entry<calls::ext_query_capabilities>(CallCode::ExtQueryCapabilities, "HvExtCallQueryCapabilities"),
};

constexpr std::size_t indexed_codes = 0x100;

/// Position in the table by call code, plus one; 0 where there is none.
constexpr auto index = [] {
    std::array<std::uint8_t, indexed_codes> positions{};
    for (std::size_t i = 0; i < table.size(); ++i)
        if (auto const code = static_cast<std::size_t>(table[i].code); code < indexed_codes)
            positions[code] = static_cast<std::uint8_t>(i + 1);
    return positions;
}();

CallInfo const* find_extended(std::uint16_t code)
{
    auto const* const found =
        std::ranges::find(table, code, [](auto const& call) { return static_cast<std::uint16_t>(call.code); });
    return found == table.end() ? nullptr : found;
}

} // namespace

std::span<CallInfo const> call_table()
{
    return table;
}

CallInfo const* find_call(std::uint16_t code)
{
    if (code >= indexed_codes) return code < abi::first_extended_code ? nullptr : find_extended(code);
    return index[code] == 0 ? nullptr : &table[index[code] - 1U];
}

} // namespace hv
