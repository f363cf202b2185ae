#include "vmm/trace/decode.hpp"

#include "hv/abi/msr.hpp"
#include "hv/abi/port.hpp"
#include "hv/abi/virtual_interrupt.hpp"
#include "hv/abi/vp_calls.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

namespace vmm {

namespace {

namespace abi = hv::abi;
namespace msr = hv::abi::msr;

constexpr std::array<std::pair<std::uint32_t, std::string_view>, 18> names{{
    {msr::guest_os_id, "GUEST_OS_ID"},
    {msr::hypercall, "HYPERCALL"},
    {msr::vp_index, "VP_INDEX"},
    {msr::reset, "RESET"},
    {msr::vp_runtime, "VP_RUNTIME"},
    {msr::time_ref_count, "TIME_REF_COUNT"},
    {msr::reference_tsc, "REFERENCE_TSC"},
    {msr::tsc_frequency, "TSC_FREQUENCY"},
    {msr::apic_frequency, "APIC_FREQUENCY"},
    {msr::vp_assist_page, "VP_ASSIST_PAGE"},
    {msr::scontrol, "SCONTROL"},
    {msr::sversion, "SVERSION"},
    {msr::siefp, "SIEFP"},
    {msr::simp, "SIMP"},
    {msr::eom, "EOM"},
    {msr::guest_idle, "GUEST_IDLE"},
    {msr::crash_ctl, "CRASH_CTL"},
    {msr::tsc_invariant_control, "TSC_INVARIANT_CONTROL"},
}};

template <typename Input>
Input as(std::span<std::byte const> bytes)
{
    Input input{};
    std::memcpy(&input, bytes.data(), std::min(sizeof input, bytes.size()));
    return input;
}

std::string describe(abi::PortInfo const& info)
{
    switch (info.type) {
    case abi::PortType::Message:
        return fmt::format("message port, SINT{} VP {:#x}", info.target_sint, info.target_vp);
    case abi::PortType::Event:
        return fmt::format("event port, SINT{} VP {:#x} flags {}+{}", info.target_sint, info.target_vp,
                           info.base_flag, info.flag_count);
    case abi::PortType::Monitor: return fmt::format("monitor port, page {:#x}", info.monitor_address());
    default: return fmt::format("port of type {}", static_cast<std::uint32_t>(info.type));
    }
}

template <typename Input>
std::string describe_create(Input const& in)
{
    return fmt::format("PortPartition={:#x} PortId={:#x} ConnectionPartition={:#x} {}", in.port_partition, in.port_id,
                       in.connection_partition, describe(in.info));
}

template <typename Input>
std::string describe_connect(Input const& in)
{
    return fmt::format("ConnectionPartition={:#x} ConnectionId={:#x} PortPartition={:#x} PortId={:#x}",
                       in.connection_partition, in.connection_id, in.port_partition, in.port_id);
}

/// The later numbering only gives a meaning to the padding.
std::string describe(abi::AssertVirtualInterruptInput const& in)
{
    return fmt::format("PartitionId={:#x} InterruptType={}{}{} DestinationAddress={:#x} Vector={:#x}", in.partition,
                       static_cast<std::uint32_t>(in.control.type), in.control.level_triggered() ? " level" : "",
                       in.control.logical_destination() ? " logical" : "", in.destination, in.vector);
}

} // namespace

std::string msr_name(std::uint32_t number)
{
    for (auto const& [known, name] : names) {
        if (known == number) return std::string{name};
    }
    if (number >= msr::sint0 && number <= msr::sint15) return fmt::format("SINT{}", number - msr::sint0);
    if (number >= msr::stimer0_config && number <= msr::stimer3_count) {
        auto const offset = number - msr::stimer0_config;
        return fmt::format("STIMER{}_{}", offset / 2, offset % 2 == 0 ? "CONFIG" : "COUNT");
    }
    if (number >= msr::crash_p0 && number <= msr::crash_p4) return fmt::format("CRASH_P{}", number - msr::crash_p0);
    return fmt::format("{:#x}", number);
}

std::string describe_input(std::uint16_t code, std::span<std::byte const> input)
{
    switch (static_cast<abi::CallCode>(code)) {
    case abi::CallCode::CreatePort: return describe_create(as<abi::CreatePortInput>(input));
    case abi::CallCode::CreatePortVtl: return describe_create(as<abi::CreatePortVtlInput>(input));
    case abi::CallCode::ConnectPort: return describe_connect(as<abi::ConnectPortInput>(input));
    case abi::CallCode::ConnectPortVtl: return describe_connect(as<abi::ConnectPortVtlInput>(input));
    case abi::CallCode::DeletePort: {
        auto const in = as<abi::DeletePortInput>(input);
        return fmt::format("PortPartition={:#x} PortId={:#x}", in.port_partition, in.port_id);
    }
    case abi::CallCode::DisconnectPort: {
        auto const in = as<abi::DisconnectPortInput>(input);
        return fmt::format("ConnectionPartition={:#x} ConnectionId={:#x}", in.connection_partition, in.connection_id);
    }
    case abi::CallCode::GetPortProperty: {
        auto const in = as<abi::GetPortPropertyInput>(input);
        return fmt::format("PortPartition={:#x} PortId={:#x} PropertyCode={:#x}", in.partition, in.port_id,
                           static_cast<std::uint32_t>(in.code));
    }
    case abi::CallCode::SetPortProperty: {
        auto const in = as<abi::SetPortPropertyInput>(input);
        return fmt::format("PortPartition={:#x} PortId={:#x} PropertyCode={:#x} Value={:#x}", in.partition,
                           in.port_id, static_cast<std::uint32_t>(in.code), in.value);
    }
    case abi::CallCode::PostMessage: {
        auto const in = as<abi::PostMessageInput>(input);
        return fmt::format("ConnectionId={:#x} MessageType={:#x} PayloadSize={}", in.connection_id,
                           static_cast<std::uint32_t>(in.type), in.payload_size);
    }
    case abi::CallCode::SignalEvent: {
        auto const in = as<abi::SignalEventInput>(input);
        return fmt::format("ConnectionId={:#x} FlagNumber={}", in.connection_id, in.flag_number);
    }
    case abi::CallCode::GetVpIndexFromApicId:
        return fmt::format("PartitionId={:#x}", as<abi::GetVpIndexFromApicIdInput>(input).partition);
    case abi::CallCode::GetPartitionProperty: {
        auto const in = as<abi::GetPartitionPropertyInput>(input);
        return fmt::format("PartitionId={:#x} PropertyCode={:#x}", in.partition, static_cast<std::uint32_t>(in.code));
    }
    case abi::CallCode::AssertVirtualInterrupt:
    case abi::CallCode::AssertVirtualInterruptVtl: return describe(as<abi::AssertVirtualInterruptInput>(input));
    case abi::CallCode::ClearVirtualInterrupt:
        return fmt::format("PartitionId={:#x}", as<abi::ClearVirtualInterruptInput>(input).partition);
    case abi::CallCode::GetVpRegisters:
    case abi::CallCode::SetVpRegisters: {
        auto const in = as<abi::VpRegistersInput>(input);
        return fmt::format("PartitionId={:#x} VpIndex={:#x}", in.partition, in.vp_index);
    }
    case abi::CallCode::StartVirtualProcessor: {
        auto const in = as<abi::StartVirtualProcessorInput>(input);
        return fmt::format("PartitionId={:#x} VpIndex={:#x} Rip={:#x}", in.partition, in.vp_index, in.context.rip);
    }
    case abi::CallCode::NotifyLongSpinWait:
        return fmt::format("SpinCount={}", as<abi::NotifyLongSpinWaitInput>(input).spin_count);
    case abi::CallCode::SendSyntheticClusterIpi: {
        auto const in = as<abi::SendClusterIpiInput>(input);
        return fmt::format("Vector={:#x} ProcessorMask={:#x}", in.vector, in.processor_mask);
    }
    case abi::CallCode::SendSyntheticClusterIpiEx: {
        auto const in = as<abi::SendClusterIpiExInput>(input);
        return fmt::format("Vector={:#x} Format={} ValidBanksMask={:#x}", in.vector,
                           static_cast<std::uint64_t>(in.format), in.valid_banks);
    }
    case abi::CallCode::ExtQueryCapabilities:
    case abi::CallCode::GetPartitionId:
    case abi::CallCode::FlushVirtualAddressSpace: // the kernel's, or unknown
    case abi::CallCode::FlushVirtualAddressList:
    case abi::CallCode::FlushVirtualAddressSpaceEx:
    case abi::CallCode::FlushVirtualAddressListEx: break;
    }
    return {};
}

} // namespace vmm
