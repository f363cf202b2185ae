/// The hypercall input and result values (TLFS 2.0a §4.7, §4.8; the newest hypercall-interface page).
#pragma once

#include "hv/abi/bits.hpp"
#include "hv/abi/status.hpp"

#include <cstdint>

namespace hv::abi {

/// HV_CALL_CODE of the calls that Porthole answers, or leads to the kernel below (TLFS 2.0a appendix A; 6.0b appendix
/// A for the later numbers).
enum class CallCode : std::uint16_t {
    FlushVirtualAddressSpace = 0x0002,
    FlushVirtualAddressList = 0x0003,
    NotifyLongSpinWait = 0x0008,
    SendSyntheticClusterIpi = 0x000B,
    FlushVirtualAddressSpaceEx = 0x0013,
    FlushVirtualAddressListEx = 0x0014,
    SendSyntheticClusterIpiEx = 0x0015,
    CreatePartition = 0x0040,
    InitializePartition = 0x0041,
    FinalizePartition = 0x0042,
    DeletePartition = 0x0043,
    GetPartitionProperty = 0x0044,
    SetPartitionProperty = 0x0045,
    GetPartitionId = 0x0046,
    GetNextChildPartition = 0x0047,
    DepositMemory = 0x0048,
    WithdrawMemory = 0x0049,
    GetMemoryBalance = 0x004A,
    MapGpaPages = 0x004B,
    UnmapGpaPages = 0x004C,
    InstallIntercept = 0x004D,
    CreateVp = 0x004E,
    DeleteVp = 0x004F,
    GetVpRegisters = 0x0050,
    SetVpRegisters = 0x0051,
    TranslateVirtualAddress = 0x0052,
    ReadGpa = 0x0053,
    WriteGpa = 0x0054,
    AssertVirtualInterrupt = 0x0055,
    ClearVirtualInterrupt = 0x0056,
    CreatePort = 0x0057,
    DeletePort = 0x0058,
    ConnectPort = 0x0059,
    GetPortProperty = 0x005A,
    DisconnectPort = 0x005B,
    PostMessage = 0x005C,
    SignalEvent = 0x005D,
    UnmapStatsPage = 0x006D,
    MapSparseGpaPages = 0x006E,
    SetPortProperty = 0x0070,
    NotifyPortRingEmpty = 0x008B, ///< HvCallNotifyRingEmpty of 6.0b Appendix A
    ModifySparseGpaPages = 0x0090,
    RegisterInterceptResult = 0x0091,
    UnregisterInterceptResult = 0x0092,
    AssertVirtualInterruptVtl = 0x0094, ///< HvCallAssertVirtualInterrupt of the later texts, with a VTL
    CreatePortVtl = 0x0095,             ///< HvCallCreatePort of the later texts, with VTL and NUMA fields
    ConnectPortVtl = 0x0096,            ///< HvCallConnectPort of the later texts
    StartVirtualProcessor = 0x0099,
    GetVpIndexFromApicId = 0x009A,
    TranslateVirtualAddressEx = 0x00AC,
    SignalEventDirect = 0x00C0,
    PostMessageDirect = 0x00C1,
    GetGpaPagesAccessStates = 0x00C9,
    MapVpStatePage = 0x00E1,
    UnmapVpStatePage = 0x00E2,
    GetVpState = 0x00E3, ///< this and the next: known from Linux only
    SetVpState = 0x00E4,
    GetVpCpuidValues = 0x00F4,
    GetPartitionPropertyEx = 0x0101, ///< known from Linux only
    MapStatsPage2 = 0x0131,
    ExtQueryCapabilities = 0x8001, ///< the first of the extended calls
};

/// The hypercall input value: RCX, or EDX:EAX of a 32-bit caller.
struct Control {
    std::uint64_t word;

    [[nodiscard]] constexpr std::uint16_t code() const { return static_cast<std::uint16_t>(word); }
    [[nodiscard]] constexpr bool fast() const { return bit(word, 16); }
    [[nodiscard]] constexpr std::uint64_t variable_header_qwords() const { return field<17, 10>(word); }
    [[nodiscard]] constexpr std::uint64_t rep_count() const { return field<32, 12>(word); }
    [[nodiscard]] constexpr std::uint64_t rep_start() const { return field<48, 12>(word); }
    /// Nothing but the call code and the fast bit, as of a simple call.
    [[nodiscard]] constexpr bool simple() const { return word >> 17 == 0; }
    /// Bits 30:27, 47:44 and 63:60, and bit 31 (Is Nested), which means nothing without a nested hypervisor.
    [[nodiscard]] constexpr bool reserved_clear() const { return (word & 0xF000'F000'F800'0000) == 0; }
};

/// The hypercall result value: RAX, or EDX:EAX of a 32-bit caller.
[[nodiscard]] constexpr std::uint64_t result(Status status, std::uint64_t reps_completed = 0)
{
    return static_cast<std::uint64_t>(status) | reps_completed << 32;
}

inline constexpr std::uint16_t first_extended_code = 0x8001; ///< newest, Extended Hypercall Interface
inline constexpr std::uint64_t parameter_alignment = 8;      ///< TLFS 2.0a §4.6, bytes
inline constexpr std::size_t fast_input_bytes = 16;          ///< RDX and R8
inline constexpr std::size_t xmm_input_bytes = 112;          ///< RDX, R8 and XMM0 to XMM5 (§4.7.1)

} // namespace hv::abi
