#include "hv/cpuid/privileges.hpp"

#include <algorithm>
#include <array>

namespace hv {

namespace {

using enum Privilege;

constexpr std::array privilege_table{
    RightName{"access-partition-id", AccessPartitionId, {}, "HvGetPartitionId"},
    RightName{"post-messages", PostMessages, {}, "HvPostMessage"},
    RightName{"signal-events", SignalEvents, {}, "HvSignalEvent"},
    RightName{"create-port", CreatePort, {}, "HvCreatePort, HvDeletePort"},
    RightName{"connect-port", ConnectPort, {}, "HvConnectPort, HvDisconnectPort"},
    RightName{"create-partitions", CreatePartitions, {}, "HvCreatePartition, and what is restricted to children"},
    RightName{"access-memory-pool", AccessMemoryPool, {}, "HvDepositMemory, HvWithdrawMemory, HvGetMemoryBalance"},
    RightName{"access-vp-registers", AccessVpRegisters, {}, "HvGetVpRegisters, HvSetVpRegisters"},
    RightName{"start-virtual-processor", StartVirtualProcessor, {}, "HvStartVirtualProcessor"},
    RightName{"extended-hypercalls", EnableExtendedHypercalls, {}, "HvExtCallQueryCapabilities"},
};

constexpr std::array feature_table{
    RightName{"vp-runtime", AccessVpRunTime, {}, "VP_RUNTIME"},
    RightName{"time-ref-count", AccessReferenceCounter, {}, "TIME_REF_COUNT"},
    RightName{"synic", AccessSynic, {}, "the synthetic interrupt controller"},
    RightName{"stimer", AccessSyntheticTimers, {}, "synthetic timers"},
    RightName{"stimer-direct", {}, Feature::DirectTimers, "timers that assert an interrupt instead of a message"},
    RightName{"reset", AccessReset, {}, "the RESET MSR"},
    RightName{"reference-tsc", AccessReferenceTsc, {}, "the reference TSC page"},
    RightName{"guest-idle", AccessGuestIdle, Feature::GuestIdle, "the GUEST_IDLE MSR"},
    RightName{"frequency", AccessFrequencies, Feature::Frequencies, "TSC_FREQUENCY and APIC_FREQUENCY"},
    RightName{"tsc-invariant", AccessTscInvariantControl, {}, "TSC_INVARIANT_CONTROL and the invariant TSC"},
    RightName{"crash", {}, Feature::GuestCrash, "the guest crash MSRs"},
    RightName{"sint-polling", {}, Feature::SintPolling, "the polling bit of SINTx"},
    RightName{"hypercall-lock", {}, Feature::HypercallMsrLock, "the lock bit of HYPERCALL"},
    RightName{"xmm-input", {}, Feature::XmmInput, "hypercall input in XMM registers"},
    RightName{"tlb-flush",
              {},
              {},
              "HvFlushVirtualAddressSpace and HvFlushVirtualAddressList, with --hyperv=hybrid",
              Recommendation::RemoteTlbFlush,
              false},
    RightName{"apic-msrs",
              AccessIntrCtrlRegs,
              {},
              "EOI, ICR and TPR, and an assist page that spares EOIs, with --hyperv=hybrid",
              Recommendation::ApicMsrs,
              false},
    RightName{
        "cluster-ipi", {}, {}, "HvSendSyntheticClusterIpi; slower than the APIC", Recommendation::ClusterIpi, false},
    RightName{"ex-processor-masks",
              {},
              {},
              "the ...Ex calls of cluster-ipi and tlb-flush",
              Recommendation::ExProcessorMasks,
              false},
};

} // namespace

Rights Rights::ordinary()
{
    Rights rights;
    rights.set(AccessHypercallMsrs, true);
    rights.set(AccessVpIndex, true);
    rights.set(PostMessages, true);
    rights.set(SignalEvents, true);
    for (auto const& entry : feature_table)
        if (entry.ordinary) (void)apply(rights, feature_table, entry.name, true);
    return rights;
}

Rights Rights::root()
{
    auto rights = ordinary();
    for (auto const& entry : privilege_table)
        (void)apply(rights, privilege_table, entry.name, true);
    for (auto const& entry : feature_table)
        (void)apply(rights, feature_table, entry.name, true);
    return rights;
}

std::span<RightName const> privilege_names()
{
    return privilege_table;
}
std::span<RightName const> feature_names()
{
    return feature_table;
}

bool apply(Rights& rights, std::span<RightName const> names, std::string_view name, bool on)
{
    auto const entry = std::ranges::find(names, name, &RightName::name);
    if (entry == names.end()) return false;
    if (entry->privilege) rights.set(*entry->privilege, on);
    if (entry->feature) rights.set(*entry->feature, on);
    if (entry->recommendation) rights.set(*entry->recommendation, on);
    return true;
}

} // namespace hv
