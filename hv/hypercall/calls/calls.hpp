/// The hypercalls, one function each: it has its input as a copy that nobody can change any more, and returns its
/// output or how it went. docs/architecture.md has the order of their checks; AccessDenied comes before what tells a
/// stranger what exists.
#pragma once

#include "hv/abi/child.hpp"
#include "hv/abi/child_access.hpp"
#include "hv/abi/direct.hpp"
#include "hv/abi/intercept_result.hpp"
#include "hv/abi/port.hpp"
#include "hv/abi/result.hpp"
#include "hv/abi/stats.hpp"
#include "hv/abi/virtual_interrupt.hpp"
#include "hv/abi/vp_calls.hpp"
#include "hv/abi/vp_state.hpp"
#include "hv/hypercall/caller.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace hv::calls {

/// A property of 64 bits; no value for a code that is not known. What has no meaning here keeps its default.
[[nodiscard]] std::optional<std::uint64_t> property_of(Partition const& partition, abi::PartitionProperty code);

[[nodiscard]] Status create_port(Caller const& caller, abi::CreatePortInput const& in);
[[nodiscard]] Status create_port_vtl(Caller const& caller, abi::CreatePortVtlInput const& in);
[[nodiscard]] Status delete_port(Caller const& caller, abi::DeletePortInput const& in);
[[nodiscard]] Status connect_port(Caller const& caller, abi::ConnectPortInput const& in);
[[nodiscard]] Status connect_port_vtl(Caller const& caller, abi::ConnectPortVtlInput const& in);
[[nodiscard]] Status disconnect_port(Caller const& caller, abi::DisconnectPortInput const& in);
[[nodiscard]] Status notify_port_ring_empty(Caller const& caller, abi::NotifyPortRingEmptyInput const& in);
[[nodiscard]] Result<abi::PortPropertyOutput> get_port_property(Caller const& caller,
                                                                abi::GetPortPropertyInput const& in);
[[nodiscard]] Result<abi::PortPropertyOutput> set_port_property(Caller const& caller,
                                                                abi::SetPortPropertyInput const& in);
[[nodiscard]] Status post_message(Caller const& caller, abi::PostMessageInput const& in);
[[nodiscard]] Status signal_event(Caller const& caller, abi::SignalEventInput const& in);
[[nodiscard]] Result<abi::GetPartitionIdOutput> get_partition_id(Caller const& caller);
[[nodiscard]] Result<abi::GetPartitionPropertyOutput>
get_partition_property(Caller const& caller, abi::GetPartitionPropertyInput const& in);
[[nodiscard]] Result<abi::PartitionIdOutput> create_partition(Caller const& caller,
                                                              abi::CreatePartitionInput const& in);
[[nodiscard]] Status initialize_partition(Caller const& caller, abi::PartitionInput const& in);
[[nodiscard]] Status finalize_partition(Caller const& caller, abi::PartitionInput const& in);
[[nodiscard]] Status delete_partition(Caller const& caller, abi::PartitionInput const& in);
[[nodiscard]] Status set_partition_property(Caller const& caller, abi::SetPartitionPropertyInput const& in);
[[nodiscard]] Result<abi::PartitionIdOutput> get_next_child_partition(Caller const& caller,
                                                                      abi::GetNextChildPartitionInput const& in);
[[nodiscard]] Progress deposit_memory(Caller const& caller, abi::DepositMemoryInput const& in,
                                      std::span<std::uint64_t const> pages);
[[nodiscard]] Progress withdraw_memory(Caller const& caller, abi::MemoryPoolInput const& in,
                                       std::span<std::uint64_t> pages);
[[nodiscard]] Result<abi::GetMemoryBalanceOutput> get_memory_balance(Caller const& caller,
                                                                     abi::MemoryPoolInput const& in);
[[nodiscard]] Progress map_gpa_pages(Caller const& caller, abi::MapGpaPagesInput const& in,
                                     std::span<std::uint64_t const> pages);
[[nodiscard]] Progress unmap_gpa_pages(Caller const& caller, abi::UnmapGpaPagesInput const& in, RepCount count);
[[nodiscard]] Progress get_gpa_pages_access_states(Caller const& caller, abi::GetGpaPagesAccessStatesInput const& in,
                                                   std::span<std::uint8_t> states);
[[nodiscard]] Progress map_sparse_gpa_pages(Caller const& caller, abi::SparseGpaPagesInput const& in,
                                            std::span<abi::GpaMapping const> pages);
[[nodiscard]] Progress modify_sparse_gpa_pages(Caller const& caller, abi::SparseGpaPagesInput const& in,
                                               std::span<std::uint64_t const> pages);
[[nodiscard]] Status install_intercept(Caller const& caller, abi::InstallInterceptInput const& in);
[[nodiscard]] Status create_vp(Caller const& caller, abi::CreateVpInput const& in);
[[nodiscard]] Status delete_vp(Caller const& caller, abi::DeleteVpInput const& in);
[[nodiscard]] Result<abi::MapVpStatePageOutput> map_vp_state_page(Caller const& caller,
                                                                  abi::MapVpStatePageInput const& in);
[[nodiscard]] Status unmap_vp_state_page(Caller const& caller, abi::UnmapVpStatePageInput const& in);
[[nodiscard]] Status register_intercept_result(Caller const& caller, abi::RegisterInterceptResultInput const& in);
[[nodiscard]] Status unregister_intercept_result(Caller const& caller, abi::UnregisterInterceptResultInput const& in);
[[nodiscard]] Progress get_vp_cpuid_values(Caller const& caller, abi::GetVpCpuidValuesInput const& in,
                                           std::span<abi::CpuidLeafInfo const> leaves,
                                           std::span<abi::CpuidValues> values);
[[nodiscard]] Result<abi::SyntheticTimersState> get_vp_state(Caller const& caller, abi::VpStateInput const& in,
                                                             std::span<std::uint64_t const> pages);
[[nodiscard]] Status set_vp_state(Caller const& caller, abi::VpStateInput const& in,
                                  std::span<std::uint64_t const> words);
[[nodiscard]] Status map_stats_page(Caller const& caller, abi::MapStatsPageInput const& in);
[[nodiscard]] Status unmap_stats_page(Caller const& caller, abi::UnmapStatsPageInput const& in);
[[nodiscard]] Result<abi::SignalEventDirectOutput> signal_event_direct(Caller const& caller,
                                                                       abi::SignalEventDirectInput const& in);
[[nodiscard]] Status post_message_direct(Caller const& caller, abi::PostMessageDirectInput const& in);
[[nodiscard]] Result<abi::TranslateVirtualAddressOutput>
translate_virtual_address(Caller const& caller, abi::TranslateVirtualAddressInput const& in);
[[nodiscard]] Result<abi::TranslateVirtualAddressExOutput>
translate_virtual_address_ex(Caller const& caller, abi::TranslateVirtualAddressInput const& in);
[[nodiscard]] Result<abi::ReadGpaOutput> read_gpa(Caller const& caller, abi::ReadGpaInput const& in);
[[nodiscard]] Result<abi::WriteGpaOutput> write_gpa(Caller const& caller, abi::WriteGpaInput const& in);
[[nodiscard]] Result<abi::VmmCapabilities> get_partition_property_ex(Caller const& caller,
                                                                     abi::GetPartitionPropertyExInput const& in);
[[nodiscard]] Result<abi::ExtQueryCapabilitiesOutput> ext_query_capabilities(Caller const& caller);
[[nodiscard]] Status notify_long_spin_wait(Caller const& caller, abi::NotifyLongSpinWaitInput const& in);
[[nodiscard]] Status send_cluster_ipi(Caller const& caller, abi::SendClusterIpiInput const& in);
[[nodiscard]] Status send_cluster_ipi_ex(Caller const& caller, abi::SendClusterIpiExInput const& in,
                                         std::span<std::uint64_t const> banks);
[[nodiscard]] Status assert_virtual_interrupt(Caller const& caller, abi::AssertVirtualInterruptInput const& in);
[[nodiscard]] Status assert_virtual_interrupt_vtl(Caller const& caller,
                                                  abi::AssertVirtualInterruptVtlInput const& in);
[[nodiscard]] Status clear_virtual_interrupt(Caller const& caller, abi::ClearVirtualInterruptInput const& in);
[[nodiscard]] Status start_virtual_processor(Caller const& caller, abi::StartVirtualProcessorInput const& in);
[[nodiscard]] Progress get_vp_registers(Caller const& caller, abi::VpRegistersInput const& in,
                                        std::span<abi::RegisterName const> names,
                                        std::span<abi::RegisterValue> values);
[[nodiscard]] Progress set_vp_registers(Caller const& caller, abi::VpRegistersInput const& in,
                                        std::span<abi::SetRegisterElement const> registers);
[[nodiscard]] Progress get_vp_index_from_apic_id(Caller const& caller, abi::GetVpIndexFromApicIdInput const& in,
                                                 std::span<abi::ApicIdElement const> ids,
                                                 std::span<abi::VpIndexElement> indices);

} // namespace hv::calls
