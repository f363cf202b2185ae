#include "vmm/machine/guest_rights.hpp"

#include "vmm/base/user_error.hpp"

#include <string>
#include <utility>

namespace vmm {

bool uses_acceleration(AccelerationOffer const& offer, HypervMode mode)
{
    if (mode == HypervMode::Hybrid && !offer.calls)
        throw UserError{
            "this kernel's KVM answers no hypercalls (KVM_CAP_HYPERV_TLBFLUSH): use --hyperv=auto or user"};
    return offer.calls && mode != HypervMode::User;
}

hv::KernelCalls kernel_calls(hv::Rights const& rights, hv::ProcessorFacts const& processor)
{
    using enum hv::abi::CallCode;
    using enum hv::KernelCalls::Instruction;
    constexpr std::uint64_t intel = 1;
    hv::KernelCalls calls{processor.vendor == intel ? Vmcall : Vmmcall, {NotifyLongSpinWait}};
    if (!rights.has(hv::Recommendation::RemoteTlbFlush)) return calls;
    calls.codes.insert(calls.codes.end(), {FlushVirtualAddressSpace, FlushVirtualAddressList});
    if (rights.has(hv::Recommendation::ExProcessorMasks))
        calls.codes.insert(calls.codes.end(), {FlushVirtualAddressSpaceEx, FlushVirtualAddressListEx});
    return calls;
}

hv::Rights rights_of(GuestOptions const& options, bool accelerated, bool eoi_exits)
{
    auto rights = hv::Rights::ordinary();
    (void)hv::apply(rights, hv::feature_names(), "tlb-flush", accelerated);
    (void)hv::apply(rights, hv::feature_names(), "apic-msrs", accelerated && eoi_exits);
    for (auto const& change : options.privileges) {
        if (!hv::apply(rights, hv::privilege_names(), change.name, change.grant))
            throw UserError{"there is no privilege '" + change.name + "'; see porthole run --help"};
    }
    for (auto const& change : options.hv_features) {
        if (!hv::apply(rights, hv::feature_names(), change.name, change.grant))
            throw UserError{"there is no Hyper-V feature '" + change.name + "'; see porthole run --help"};
    }
    for (auto const& [recommendation, name] : {std::pair{hv::Recommendation::RemoteTlbFlush, "tlb-flush"},
                                               std::pair{hv::Recommendation::ApicMsrs, "apic-msrs"}}) {
        if (rights.has(recommendation) && !accelerated)
            throw UserError{std::string{"the feature "} + name +
                            " needs a KVM that answers hypercalls, and --hyperv=auto or hybrid: leave it out"};
    }
    if (options.children.partitions != 0 && !rights.has(hv::Privilege::CreatePartitions))
        throw UserError{"children are of no use to a guest that may not make them: give it --privileges "
                        "create-partitions,access-memory-pool too"};
    return rights;
}

} // namespace vmm
