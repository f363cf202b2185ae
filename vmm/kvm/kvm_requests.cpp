#include "vmm/kvm/kvm_requests.hpp"

#include "vmm/kvm/counted_list.hpp"

#include <array>
#include <sys/ioctl.h>

namespace vmm {

namespace {

using Request = std::uint32_t;

// Maps of memory and doorbells change while a guest runs: a PCI function's ranges, an overlay.
constexpr std::array<Request, 35> run{KVM_RUN,
                                      KVM_GET_REGS,
                                      KVM_SET_REGS,
                                      KVM_GET_SREGS,
                                      KVM_SET_SREGS,
                                      kvm_request::get_msrs,
                                      kvm_request::set_msrs,
                                      KVM_GET_FPU,
                                      KVM_SET_FPU,
                                      kvm_request::get_xsave,
                                      kvm_request::get_xsave2,
                                      kvm_request::set_xsave,
                                      KVM_GET_XCRS,
                                      KVM_SET_XCRS,
                                      KVM_GET_DEBUGREGS,
                                      KVM_SET_DEBUGREGS,
                                      KVM_GET_LAPIC,
                                      KVM_SET_LAPIC,
                                      KVM_GET_VCPU_EVENTS,
                                      KVM_SET_VCPU_EVENTS,
                                      KVM_GET_MP_STATE,
                                      KVM_SET_MP_STATE,
                                      KVM_GET_TSC_KHZ,
                                      kvm_request::set_cpuid2,
                                      KVM_SET_DEVICE_ATTR,
                                      KVM_GET_DEVICE_ATTR,
                                      KVM_ENABLE_CAP,
                                      KVM_SET_USER_MEMORY_REGION,
                                      KVM_GET_DIRTY_LOG,
                                      KVM_IOEVENTFD,
                                      KVM_INTERRUPT,
                                      KVM_NMI,
                                      KVM_GET_IRQCHIP,
                                      KVM_SET_IRQCHIP,
                                      KVM_CHECK_EXTENSION};

constexpr std::array<Request, 2> interrupt{KVM_SIGNAL_MSI, KVM_IRQ_LINE};

constexpr std::array<Request, 10> build{KVM_CREATE_VM,
                                        KVM_CREATE_VCPU,
                                        KVM_GET_VCPU_MMAP_SIZE,
                                        kvm_request::get_supported_cpuid,
                                        kvm_request::set_gsi_routing,
                                        KVM_CREATE_IRQCHIP,
                                        KVM_CREATE_PIT2,
                                        KVM_SET_IDENTITY_MAP_ADDR,
                                        KVM_SET_TSS_ADDR,
                                        KVM_X86_SET_MSR_FILTER};

} // namespace

std::span<Request const> kvm_run_requests()
{
    return run;
}

std::span<Request const> kvm_interrupt_requests()
{
    return interrupt;
}

std::span<Request const> kvm_build_requests()
{
    return build;
}

} // namespace vmm
