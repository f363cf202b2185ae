#include "hv/abi/hypercall.hpp"
#include "hv/abi/msr.hpp"
#include "hv/hypercall/call_info.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/trace/decode.hpp"

#include <array>
#include <string>
#include <vector>

using hv::abi::CallCode;
using vmm::describe_input;
using vmm::msr_name;

namespace {

struct Case {
    CallCode code;
    std::vector<std::uint64_t> words; ///< of the input, little-endian
    std::string text;
};

std::string described(Case const& given)
{
    return describe_input(static_cast<std::uint16_t>(given.code), std::as_bytes(std::span{given.words}));
}

} // namespace

TEST_CASE("the trace names the fields of each call's input", "[trace]")
{
    std::vector<Case> const cases{
        {CallCode::CreatePort,
         {2, 0x10, 3, 1, 0x1'0000'0002, 0},
         "PortPartition=0x2 PortId=0x10 ConnectionPartition=0x3 message port, SINT2 VP 0x1"},
        {CallCode::CreatePort,
         {2, 0x10, 3, 2, 5, 0x8'0010},
         "PortPartition=0x2 PortId=0x10 ConnectionPartition=0x3 event port, SINT5 VP 0x0 flags 16+8"},
        {CallCode::CreatePortVtl,
         {2, 0x10, 3, 3, 0x1'0000'5000, 0, 0},
         "PortPartition=0x2 PortId=0x10 ConnectionPartition=0x3 monitor port, page 0x100005000"},
        {CallCode::CreatePort,
         {2, 0x10, 3, 9, 0, 0},
         "PortPartition=0x2 PortId=0x10 ConnectionPartition=0x3 port of type 9"},
        {CallCode::ConnectPort,
         {4, 0x20, 2, 0x10, 1},
         "ConnectionPartition=0x4 ConnectionId=0x20 PortPartition=0x2 PortId=0x10"},
        {CallCode::ConnectPortVtl,
         {4, 0x20, 2, 0x10, 1},
         "ConnectionPartition=0x4 ConnectionId=0x20 PortPartition=0x2 PortId=0x10"},
        {CallCode::DeletePort, {2, 0x10}, "PortPartition=0x2 PortId=0x10"},
        {CallCode::DisconnectPort, {4, 0x20}, "ConnectionPartition=0x4 ConnectionId=0x20"},
        {CallCode::GetPortProperty, {2, 0x10, 1}, "PortPartition=0x2 PortId=0x10 PropertyCode=0x1"},
        {CallCode::SetPortProperty, {2, 0x10, 1, 7}, "PortPartition=0x2 PortId=0x10 PropertyCode=0x1 Value=0x7"},
        {CallCode::PostMessage, {0x20, 0x10'0000'0001}, "ConnectionId=0x20 MessageType=0x1 PayloadSize=16"},
        {CallCode::SignalEvent, {0x3'0000'0020}, "ConnectionId=0x20 FlagNumber=3"},
        {CallCode::GetVpIndexFromApicId, {5}, "PartitionId=0x5"},
        {CallCode::GetPartitionProperty, {5, 0x6'0000}, "PartitionId=0x5 PropertyCode=0x60000"},
        {CallCode::AssertVirtualInterrupt,
         {5, 0x3'0000'0001, 6, 0x41},
         "PartitionId=0x5 InterruptType=1 level logical DestinationAddress=0x6 Vector=0x41"},
        {CallCode::AssertVirtualInterruptVtl,
         {5, 0, 6, 0x41},
         "PartitionId=0x5 InterruptType=0 DestinationAddress=0x6 Vector=0x41"},
        {CallCode::ClearVirtualInterrupt, {5}, "PartitionId=0x5"},
        {CallCode::GetVpRegisters, {5, 1}, "PartitionId=0x5 VpIndex=0x1"},
        {CallCode::SetVpRegisters, {5, 0xFFFF'FFFE}, "PartitionId=0x5 VpIndex=0xfffffffe"},
        {CallCode::StartVirtualProcessor, {5, 1, 0x20'0000}, "PartitionId=0x5 VpIndex=0x1 Rip=0x200000"},
        {CallCode::NotifyLongSpinWait, {77}, "SpinCount=77"},
        {CallCode::SendSyntheticClusterIpi, {0x40, 3}, "Vector=0x40 ProcessorMask=0x3"},
        {CallCode::SendSyntheticClusterIpiEx, {0x40, 1, 5}, "Vector=0x40 Format=1 ValidBanksMask=0x5"},
        {CallCode::GetPartitionId, {}, ""},
        {CallCode::FlushVirtualAddressSpace, {1, 2, 3}, ""},
    };
    for (auto const& given : cases)
        CHECK(described(given) == given.text);
}

TEST_CASE("a call that has an input is described by the trace, however short the input is", "[trace]")
{
    for (auto const& call : hv::call_table()) {
        CAPTURE(call.name);
        auto const code = static_cast<std::uint16_t>(call.code);
        CHECK(describe_input(code, {}).empty() == (call.input_size == 0));
    }
    CHECK(describe_input(0x7FFF, {}).empty());
}

TEST_CASE("the trace knows MSRs by their names", "[trace]")
{
    namespace msr = hv::abi::msr;
    CHECK(msr_name(msr::guest_os_id) == "GUEST_OS_ID");
    CHECK(msr_name(msr::sint0) == "SINT0");
    CHECK(msr_name(msr::sint15) == "SINT15");
    CHECK(msr_name(msr::stimer0_config) == "STIMER0_CONFIG");
    CHECK(msr_name(msr::stimer3_count) == "STIMER3_COUNT");
    CHECK(msr_name(msr::crash_p4) == "CRASH_P4");
    CHECK(msr_name(msr::crash_ctl) == "CRASH_CTL");
    CHECK(msr_name(0x4000'01FF) == "0x400001ff");
}
