/// The definitions of all hypercalls.
#include "hv/hypercall/call_thunk.hpp"
#include "hv/hypercall/calls/calls.hpp"

#include <algorithm>
#include <array>

namespace hv {

namespace {

using abi::CallCode;

using namespace abi;
using namespace fields;
using enum Access::Upon;
using enum Privilege;

constexpr std::array table{
    call<calls::notify_long_spin_wait>(CallCode::NotifyLongSpinWait, "HvNotifyLongSpinWait", "2.0a §18.5.1", {},
                                       {decimal<&NotifyLongSpinWaitInput::spin_count>("SpinCount")}),
    call<calls::send_cluster_ipi>(
        CallCode::SendSyntheticClusterIpi, "HvSendSyntheticClusterIpi", "6.0b §10.5.2", {},
        {hex<&SendClusterIpiInput::vector>("Vector"), hex<&SendClusterIpiInput::processor_mask>("ProcessorMask")}),
    call<calls::send_cluster_ipi_ex>(
        CallCode::SendSyntheticClusterIpiEx, "HvSendSyntheticClusterIpiEx", "6.0b §10.5.3", {},
        {hex<&SendClusterIpiExInput::vector>("Vector"), decimal<&SendClusterIpiExInput::format>("Format"),
         hex<&SendClusterIpiExInput::valid_banks>("ValidBanksMask")}),
    call<calls::create_partition>(CallCode::CreatePartition, "HvCreatePartition", "2.0a §5.6.1",
                                  {Itself, CreatePartitions},
                                  {hex<&CreatePartitionInput::flags>("Flags"),
                                   hex<&CreatePartitionInput::compatibility_version>("CompatibilityVersion")}),
    call<calls::initialize_partition>(CallCode::InitializePartition, "HvInitializePartition", "2.0a §5.6.2",
                                      {Child, CreatePartitions}, {hex<&PartitionInput::partition>("PartitionId")}),
    call<calls::finalize_partition>(CallCode::FinalizePartition, "HvFinalizePartition", "2.0a §5.6.3",
                                    {Child, CreatePartitions}, {hex<&PartitionInput::partition>("PartitionId")}),
    call<calls::delete_partition>(CallCode::DeletePartition, "HvDeletePartition", "2.0a §5.6.4",
                                  {Child, CreatePartitions}, {hex<&PartitionInput::partition>("PartitionId")}),
    call<calls::get_partition_property>(CallCode::GetPartitionProperty, "HvGetPartitionProperty", "2.0a §5.6.5",
                                        {SelfFreelyOrChild, CreatePartitions},
                                        {hex<&GetPartitionPropertyInput::partition>("PartitionId"),
                                         hex<&GetPartitionPropertyInput::code>("PropertyCode")}),
    call<calls::set_partition_property>(CallCode::SetPartitionProperty, "HvSetPartitionProperty", "2.0a §5.6.6",
                                        {Child, CreatePartitions},
                                        {hex<&SetPartitionPropertyInput::partition>("PartitionId"),
                                         hex<&SetPartitionPropertyInput::code>("PropertyCode"),
                                         hex<&SetPartitionPropertyInput::value>("PropertyValue")}),
    call<calls::get_partition_id>(CallCode::GetPartitionId, "HvGetPartitionId", "2.0a §5.6.7",
                                  {Itself, AccessPartitionId}),
    call<calls::get_next_child_partition>(CallCode::GetNextChildPartition, "HvGetNextChildPartition", "2.0a §5.6.8",
                                          {SelfOrChild, CreatePartitions},
                                          {hex<&GetNextChildPartitionInput::parent>("ParentId"),
                                           hex<&GetNextChildPartitionInput::previous>("PreviousChildId")}),
    call<calls::deposit_memory>(CallCode::DepositMemory, "HvDepositMemory", "2.0a §7.3.1", {Child, AccessMemoryPool},
                                {hex<&DepositMemoryInput::partition>("PartitionId")}),
    call<calls::withdraw_memory>(CallCode::WithdrawMemory, "HvWithdrawMemory", "2.0a §7.3.2",
                                 {Child, AccessMemoryPool}, {hex<&MemoryPoolInput::partition>("PartitionId")}),
    call<calls::get_memory_balance>(CallCode::GetMemoryBalance, "HvGetMemoryBalance", "2.0a §7.3.3",
                                    {Child, AccessMemoryPool}, {hex<&MemoryPoolInput::partition>("PartitionId")}),
    call<calls::map_gpa_pages>(CallCode::MapGpaPages, "HvMapGpaPages", "2.0a §8.3.1", {Child, CreatePartitions},
                               {hex<&MapGpaPagesInput::partition>("TargetPartitionId"),
                                hex<&MapGpaPagesInput::base>("TargetGpaBase"),
                                hex<&MapGpaPagesInput::flags>("MapFlags")}),
    call<calls::unmap_gpa_pages>(CallCode::UnmapGpaPages, "HvUnmapGpaPages", "2.0a §8.3.2", {Child, CreatePartitions},
                                 {hex<&UnmapGpaPagesInput::partition>("TargetPartitionId"),
                                  hex<&UnmapGpaPagesInput::base>("TargetGpaBase"),
                                  hex<&UnmapGpaPagesInput::flags>("UnmapFlags")}),
    call<calls::map_sparse_gpa_pages>(
        CallCode::MapSparseGpaPages, "HvCallMapSparseGpaPages", "newest", {Child, CreatePartitions},
        {hex<&SparseGpaPagesInput::partition>("TargetPartitionId"), hex<&SparseGpaPagesInput::flags>("MapFlags")}),
    call<calls::modify_sparse_gpa_pages>(
        CallCode::ModifySparseGpaPages, "HvCallModifySparseGpaPages", "newest", {Child, CreatePartitions},
        {hex<&SparseGpaPagesInput::partition>("TargetPartitionId"), hex<&SparseGpaPagesInput::flags>("MapFlags")}),
    call<calls::install_intercept>(
        CallCode::InstallIntercept, "HvInstallIntercept", "2.0a §9.3.1", {Child, CreatePartitions},
        {hex<&InstallInterceptInput::partition>("PartitionId"), hex<&InstallInterceptInput::access>("AccessType"),
         hex<&InstallInterceptInput::type>("InterceptType"),
         hex<&InstallInterceptInput::parameter>("InterceptParameter")}),
    call<calls::create_vp>(CallCode::CreateVp, "HvCreateVp", "2.0a §10.4.1", {Child, CreatePartitions},
                           {hex<&CreateVpInput::partition>("PartitionId"), hex<&CreateVpInput::vp_index>("VpIndex")}),
    call<calls::delete_vp>(CallCode::DeleteVp, "HvDeleteVp", "2.0a §10.4.2", {Child, CreatePartitions},
                           {hex<&DeleteVpInput::partition>("PartitionId"), hex<&DeleteVpInput::vp_index>("VpIndex")}),
    call<calls::get_vp_registers>(
        CallCode::GetVpRegisters,
        "HvGetVpRegisters", "6.0b §7.10.2", {SelfOrChild, AccessVpRegisters},
        {hex<&VpRegistersInput::partition>("PartitionId"), hex<&VpRegistersInput::vp_index>("VpIndex")}),
    call<calls::set_vp_registers>(
        CallCode::SetVpRegisters,
        "HvSetVpRegisters", "6.0b §7.10.1", {SelfOrChild, AccessVpRegisters},
        {hex<&VpRegistersInput::partition>("PartitionId"), hex<&VpRegistersInput::vp_index>("VpIndex")}),
    call<calls::translate_virtual_address>(CallCode::TranslateVirtualAddress, "HvTranslateVirtualAddress",
                                           "2.0a §12.4.4", {Child, CreatePartitions},
                                           {hex<&TranslateVirtualAddressInput::partition>("PartitionId"),
                                            hex<&TranslateVirtualAddressInput::vp_index>("VpIndex"),
                                            hex<&TranslateVirtualAddressInput::flags>("ControlFlags"),
                                            hex<&TranslateVirtualAddressInput::page>("GvaPage")}),
    call<calls::read_gpa>(CallCode::ReadGpa, "HvReadGpa", "2.0a §12.4.5", {Child, CreatePartitions},
                          {hex<&ReadGpaInput::partition>("PartitionId"), hex<&ReadGpaInput::vp_index>("VpIndex"),
                           decimal<&ReadGpaInput::size>("ByteCount"), hex<&ReadGpaInput::gpa>("BaseGpa")}),
    call<calls::write_gpa>(CallCode::WriteGpa, "HvWriteGpa", "2.0a §12.4.6", {Child, CreatePartitions},
                           {hex<&WriteGpaInput::where, &ReadGpaInput::partition>("PartitionId"),
                            hex<&WriteGpaInput::where, &ReadGpaInput::vp_index>("VpIndex"),
                            decimal<&WriteGpaInput::where, &ReadGpaInput::size>("ByteCount"),
                            hex<&WriteGpaInput::where, &ReadGpaInput::gpa>("BaseGpa")}),
    call<calls::assert_virtual_interrupt>(
        CallCode::AssertVirtualInterrupt,
        "HvAssertVirtualInterrupt", "2.0a §13.5.1", {Child, CreatePartitions},
        {hex<&AssertVirtualInterruptInput::partition>("PartitionId"),
         described<&AssertVirtualInterruptInput::control, interrupt_control>("InterruptType"),
         hex<&AssertVirtualInterruptInput::destination>("DestinationAddress"),
         hex<&AssertVirtualInterruptInput::vector>("Vector")}),
    call<calls::clear_virtual_interrupt>(CallCode::ClearVirtualInterrupt, "HvClearVirtualInterrupt", "2.0a §13.5.2",
                                         {Child, CreatePartitions},
                                         {hex<&ClearVirtualInterruptInput::partition>("PartitionId")}),
    call<calls::create_port>(CallCode::CreatePort, "HvCreatePort", "2.0a §14.9.1", {SelfOrChild, CreatePort},
                             {hex<&CreatePortInput::port_partition>("PortPartition"),
                              hex<&CreatePortInput::port_id>("PortId"),
                              hex<&CreatePortInput::connection_partition>("ConnectionPartition"),
                              described<&CreatePortInput::info, port_info>("")}),
    call<calls::delete_port>(
        CallCode::DeletePort, "HvDeletePort", "2.0a §14.9.2", {SelfOrChild, CreatePort},
        {hex<&DeletePortInput::port_partition>("PortPartition"), hex<&DeletePortInput::port_id>("PortId")}),
    call<calls::connect_port>(CallCode::ConnectPort, "HvConnectPort", "2.0a §14.9.3", {SelfOrChild, ConnectPort},
                              {hex<&ConnectPortInput::connection_partition>("ConnectionPartition"),
                               hex<&ConnectPortInput::connection_id>("ConnectionId"),
                               hex<&ConnectPortInput::port_partition>("PortPartition"),
                               hex<&ConnectPortInput::port_id>("PortId")}),
    call<calls::get_port_property>(CallCode::GetPortProperty, "HvGetPortProperty", "2.0a §14.9.4",
                                   {SelfOrChild, CreatePort},
                                   {hex<&GetPortPropertyInput::partition>("PortPartition"),
                                    hex<&GetPortPropertyInput::port_id>("PortId"),
                                    hex<&GetPortPropertyInput::code>("PropertyCode")}),
    call<calls::disconnect_port>(CallCode::DisconnectPort, "HvDisconnectPort", "2.0a §14.9.6",
                                 {SelfOrChild, ConnectPort},
                                 {hex<&DisconnectPortInput::connection_partition>("ConnectionPartition"),
                                  hex<&DisconnectPortInput::connection_id>("ConnectionId")}),
    call<calls::post_message>(CallCode::PostMessage, "HvPostMessage", "2.0a §14.9.7", {Itself, PostMessages},
                              {hex<&PostMessageInput::connection_id>("ConnectionId"),
                               hex<&PostMessageInput::type>("MessageType"),
                               decimal<&PostMessageInput::payload_size>("PayloadSize")}),
    call<calls::signal_event>(CallCode::SignalEvent, "HvSignalEvent", "2.0a §14.9.8", {Itself, SignalEvents},
                              {hex<&SignalEventInput::connection_id>("ConnectionId"),
                               decimal<&SignalEventInput::flag_number>("FlagNumber")}),
    call<calls::set_port_property>(
        CallCode::SetPortProperty,
        "HvSetPortProperty", "2.0a §14.9.5", {SelfOrChild, CreatePort},
        {hex<&SetPortPropertyInput::partition>("PortPartition"), hex<&SetPortPropertyInput::port_id>("PortId"),
         hex<&SetPortPropertyInput::code>("PropertyCode"), hex<&SetPortPropertyInput::value>("Value")}),
    call<calls::notify_port_ring_empty>(CallCode::NotifyPortRingEmpty, "HvCallNotifyPortRingEmpty",
                                        "Linux; 6.0b Appendix A", {Itself, CreatePartitions},
                                        {decimal<&NotifyPortRingEmptyInput::sint>("SintIndex")}),
    call<calls::register_intercept_result>(CallCode::RegisterInterceptResult, "HvCallRegisterInterceptResult",
                                           "newest", {Child, CreatePartitions},
                                           {hex<&RegisterInterceptResultInput::partition>("PartitionId"),
                                            hex<&RegisterInterceptResultInput::vp_index>("VpIndex"),
                                            hex<&RegisterInterceptResultInput::type>("InterceptType")}),
    call<calls::unregister_intercept_result>(CallCode::UnregisterInterceptResult, "HvCallUnregisterInterceptResult",
                                             "newest", {Child, CreatePartitions},
                                             {hex<&UnregisterInterceptResultInput::partition>("PartitionId"),
                                              hex<&UnregisterInterceptResultInput::vp_index>("VpIndex"),
                                              hex<&UnregisterInterceptResultInput::type>("InterceptType")}),
    call<calls::signal_event_direct>(CallCode::SignalEventDirect, "HvCallSignalEventDirect", "newest",
                                     {Child, CreatePartitions},
                                     {hex<&SignalEventDirectInput::partition>("TargetPartition"),
                                      hex<&SignalEventDirectInput::vp_index>("TargetVp"),
                                      decimal<&SignalEventDirectInput::sint>("TargetSint"),
                                      decimal<&SignalEventDirectInput::flag>("FlagNumber")}),
    call<calls::post_message_direct>(CallCode::PostMessageDirect, "HvCallPostMessageDirect", "newest",
                                     {Child, CreatePartitions},
                                     {hex<&PostMessageDirectInput::partition>("PartitionId"),
                                      hex<&PostMessageDirectInput::vp_index>("VpIndex"),
                                      decimal<&PostMessageDirectInput::sint>("SintIndex")}),
    call<calls::unmap_stats_page>(CallCode::UnmapStatsPage, "HvCallUnmapStatsPage", "newest",
                                  {SelfOrChild, CreatePartitions},
                                  {hex<&UnmapStatsPageInput::type>("StatsType"),
                                   hex<&UnmapStatsPageInput::identity, &StatsIdentity::partition>("PartitionId"),
                                   hex<&UnmapStatsPageInput::identity, &StatsIdentity::vp_index>("VpIndex")}),
    call<calls::map_stats_page>(CallCode::MapStatsPage2, "HvCallMapStatsPage2", "newest",
                                {SelfOrChild, CreatePartitions},
                                {hex<&MapStatsPageInput::what, &UnmapStatsPageInput::type>("StatsType"),
                                 hex<&MapStatsPageInput::location>("MapLocation")}),
    call<calls::get_vp_state>(CallCode::GetVpState, "HvCallGetVpState", "Linux", {Child, CreatePartitions},
                              {hex<&VpStateInput::partition>("PartitionId"), hex<&VpStateInput::vp_index>("VpIndex"),
                               hex<&VpStateInput::type>("Type")}),
    call<calls::set_vp_state>(CallCode::SetVpState, "HvCallSetVpState", "Linux", {Child, CreatePartitions},
                              {hex<&VpStateInput::partition>("PartitionId"), hex<&VpStateInput::vp_index>("VpIndex"),
                               hex<&VpStateInput::type>("Type")}),
    call<calls::get_vp_cpuid_values>(
        CallCode::GetVpCpuidValues, "HvCallGetVpCpuidValues", "newest", {Child, CreatePartitions},
        {hex<&GetVpCpuidValuesInput::partition>("PartitionId"), hex<&GetVpCpuidValuesInput::vp_index>("VpIndex"),
         hex<&GetVpCpuidValuesInput::flags>("Flags")}),
    call<calls::assert_virtual_interrupt_vtl>(
        CallCode::AssertVirtualInterruptVtl, "HvCallAssertVirtualInterrupt", "newest", {Child, CreatePartitions},
        {hex<&AssertVirtualInterruptVtlInput::partition>("PartitionId"),
         described<&AssertVirtualInterruptVtlInput::control, interrupt_control>("InterruptType"),
         hex<&AssertVirtualInterruptVtlInput::destination>("DestinationAddress"),
         hex<&AssertVirtualInterruptVtlInput::vector>("Vector")}),
    call<calls::create_port_vtl>(CallCode::CreatePortVtl, "HvCallCreatePort", "newest", {SelfOrChild, CreatePort},
                                 {hex<&CreatePortVtlInput::port_partition>("PortPartition"),
                                  hex<&CreatePortVtlInput::port_id>("PortId"),
                                  hex<&CreatePortVtlInput::connection_partition>("ConnectionPartition"),
                                  described<&CreatePortVtlInput::info, port_info>("")}),
    call<calls::connect_port_vtl>(CallCode::ConnectPortVtl, "HvCallConnectPort", "newest", {SelfOrChild, ConnectPort},
                                  {hex<&ConnectPortVtlInput::connection_partition>("ConnectionPartition"),
                                   hex<&ConnectPortVtlInput::connection_id>("ConnectionId"),
                                   hex<&ConnectPortVtlInput::port_partition>("PortPartition"),
                                   hex<&ConnectPortVtlInput::port_id>("PortId")}),
    call<calls::start_virtual_processor>(CallCode::StartVirtualProcessor, "HvStartVirtualProcessor", "6.0b §7.10.3",
                                         {SelfOrChild, StartVirtualProcessor},
                                         {hex<&StartVirtualProcessorInput::partition>("PartitionId"),
                                          hex<&StartVirtualProcessorInput::vp_index>("VpIndex"),
                                          hex<&StartVirtualProcessorInput::context, &InitialVpContext::rip>("Rip")}),
    call<calls::get_vp_index_from_apic_id>(CallCode::GetVpIndexFromApicId, "HvGetVpIndexFromApicId", "6.0b §7.10.4",
                                           {SelfOrChild, AccessVpIndex},
                                           {hex<&GetVpIndexFromApicIdInput::partition>("PartitionId")}),
    call<calls::translate_virtual_address_ex>(CallCode::TranslateVirtualAddressEx, "HvCallTranslateVirtualAddressEx",
                                              "newest", {Child, CreatePartitions},
                                              {hex<&TranslateVirtualAddressInput::partition>("PartitionId"),
                                               hex<&TranslateVirtualAddressInput::vp_index>("VpIndex"),
                                               hex<&TranslateVirtualAddressInput::flags>("ControlFlags"),
                                               hex<&TranslateVirtualAddressInput::page>("GvaPage")}),
    call<calls::get_gpa_pages_access_states>(CallCode::GetGpaPagesAccessStates, "HvCallGetGpaPagesAccessStates",
                                             "Linux", {Child, CreatePartitions},
                                             {hex<&GetGpaPagesAccessStatesInput::partition>("PartitionId"),
                                              hex<&GetGpaPagesAccessStatesInput::flags>("Flags"),
                                              hex<&GetGpaPagesAccessStatesInput::base>("GpaPageNumber")}),
    call<calls::map_vp_state_page>(
        CallCode::MapVpStatePage, "HvCallMapVpStatePage", "newest", {Child, CreatePartitions},
        {hex<&MapVpStatePageInput::partition>("PartitionId"), hex<&MapVpStatePageInput::vp_index>("VpIndex"),
         hex<&MapVpStatePageInput::type>("Type"), hex<&MapVpStatePageInput::location>("RequestedMapLocation")}),
    call<calls::unmap_vp_state_page>(
        CallCode::UnmapVpStatePage, "HvCallUnmapVpStatePage", "newest", {Child, CreatePartitions},
        {hex<&UnmapVpStatePageInput::partition>("PartitionId"), hex<&UnmapVpStatePageInput::vp_index>("VpIndex"),
         hex<&UnmapVpStatePageInput::type>("Type")}),
    call<calls::get_partition_property_ex>(CallCode::GetPartitionPropertyEx, "HvCallGetPartitionPropertyEx", "Linux",
                                           {SelfFreelyOrChild, CreatePartitions},
                                           {hex<&GetPartitionPropertyExInput::partition>("PartitionId"),
                                            hex<&GetPartitionPropertyExInput::code>("PropertyCode"),
                                            hex<&GetPartitionPropertyExInput::argument>("Argument")}),
    call<calls::ext_query_capabilities>(CallCode::ExtQueryCapabilities, "HvExtCallQueryCapabilities", "newest",
                                        {Itself, EnableExtendedHypercalls}),
};

constexpr std::size_t indexed_codes = 0x140; ///< all but the extended ones, which are sought

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
