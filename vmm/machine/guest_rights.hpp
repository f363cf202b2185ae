/// What a guest may do, and which of its calls the hypervisor below answers.
#pragma once

#include "hv/cpuid/privileges.hpp"
#include "hv/cpuid/processor_facts.hpp"
#include "hv/vp/hypercall_page.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/options/run_options.hpp"

namespace vmm {

/// Whether the hypervisor below answers some of the guest's calls. Throws UserError when it is to and cannot.
[[nodiscard]] bool uses_acceleration(AccelerationOffer const& offer, HypervMode mode);

/// Those that nobody but the kernel can answer, and one with which it lets the VP run that is waited for.
[[nodiscard]] hv::KernelCalls kernel_calls(hv::Rights const& rights, hv::ProcessorFacts const& processor);

/// Throws UserError for a name that there is not, and for a right that is of no use here.
[[nodiscard]] hv::Rights rights_of(GuestOptions const& options, bool accelerated, bool eoi_exits);

} // namespace vmm
