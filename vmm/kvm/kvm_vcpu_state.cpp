// The vCPU's registers, its CPUID and its clock.
#include "vmm/kvm/counted_list.hpp"
#include "vmm/kvm/kvm_host.hpp"
#include "vmm/kvm/kvm_ioctl.hpp"
#include "vmm/kvm/kvm_registers.hpp"
#include "vmm/kvm/kvm_vcpu.hpp"
#include "vmm/kvm/msr_access.hpp"
#include "vmm/kvm/vcpu_registers.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace vmm {

bool KvmVcpu::read_xmm(std::span<std::byte, 96> out) const
{
    kvm_fpu fpu{};
    if (::ioctl(fd(), KVM_GET_FPU, &fpu) != 0) return false;
    std::memcpy(out.data(), fpu.xmm, out.size());
    return true;
}

hv::Result<hv::abi::RegisterValue> KvmVcpu::get_register(hv::abi::RegisterName name) const
{
    return VcpuRegisters{fd(), *run_, known_, staged_.get()}.get(name);
}

hv::Status KvmVcpu::set_register(hv::abi::RegisterName name, hv::abi::RegisterValue const& value)
{
    return VcpuRegisters{fd(), *run_, known_, staged_.get()}.set(name, value);
}

hv::Status KvmVcpu::start(hv::abi::InitialVpContext const& context)
{
    return VcpuRegisters{fd(), *run_, known_}.start(context);
}

/// What the kernel answers past Porthole's page it otherwise answers whatever the CPUID says.
void KvmVcpu::set_cpuid(std::span<CpuidEntry const> entries)
{
    std::vector<kvm_cpuid_entry2> leaves(entries.size());
    std::ranges::transform(entries, leaves.begin(), [](CpuidEntry const& from) {
        kvm_cpuid_entry2 to{};
        to.function = from.function;
        to.index = from.index;
        to.flags = from.has_index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
        to.eax = from.eax;
        to.ebx = from.ebx;
        to.ecx = from.ecx;
        to.edx = from.edx;
        return to;
    });
    CountedList<kvm_cpuid_entry2> list{std::span<kvm_cpuid_entry2 const>{leaves}};
    kvm_ioctl(fd(), kvm_request::set_cpuid2, list.data(), "the guest's CPUID leaves");

    if (!answers_calls_ || !host_.has(KVM_CAP_HYPERV_ENFORCE_CPUID)) return;
    kvm_enable_cap enforce{};
    enforce.cap = KVM_CAP_HYPERV_ENFORCE_CPUID;
    enforce.args[0] = 1;
    kvm_ioctl(fd(), KVM_ENABLE_CAP, &enforce, "to hold the guest to its CPUID");
}

void KvmVcpu::set_registers(Registers const& registers)
{
    kvm_ioctl(fd(), KVM_SET_REGS, &registers, "the general registers of a vCPU");
    general_registers(*run_) = registers;
}

SystemRegisters KvmVcpu::system_registers() const
{
    auto const* const sregs = known_.sregs(fd());
    if (!sregs) throw HypervisorError{kvm_failure("the registers of a vCPU", errno)};
    return from_kvm(*sregs);
}

/// The interrupt bitmap among them is not ours to set, so the rest is read first.
void KvmVcpu::set_system_registers(SystemRegisters const& registers)
{
    kvm_sregs sregs{};
    kvm_ioctl(fd(), KVM_GET_SREGS, &sregs, "the registers of a vCPU");
    to_kvm(registers, sregs);
    known_.forget();
    kvm_ioctl(fd(), KVM_SET_SREGS, &sregs, "the system registers of a vCPU");
    if (staged_) staged_->forget();
}

LocalApicPage KvmVcpu::local_apic() const
{
    LocalApicPage page;
    static_assert(sizeof page.bytes == sizeof(kvm_lapic_state));
    kvm_ioctl(fd(), KVM_GET_LAPIC, page.bytes.data(), "the state of a local APIC");
    return page;
}

void KvmVcpu::set_local_apic(LocalApicPage const& apic)
{
    known_.forget(); // CR8
    kvm_ioctl(fd(), KVM_SET_LAPIC, apic.bytes.data(), "the state of a local APIC");
}

/// KVM_GET_XSAVE knows areas of 4 KiB only, and fails where the processor has more.
bool KvmVcpu::read_xsave(std::span<std::byte> area) const
{
    return ::ioctl(fd(), kvm_request::get_xsave, area.data()) == 0 ||
           ::ioctl(fd(), kvm_request::get_xsave2, area.data()) == 0;
}

bool KvmVcpu::write_xsave(std::span<std::byte const> area)
{
    return ::ioctl(fd(), kvm_request::set_xsave, area.data()) == 0;
}

std::uint32_t KvmVcpu::tsc_khz() const
{
    return static_cast<std::uint32_t>(kvm_ioctl(fd(), KVM_GET_TSC_KHZ, "to tell the TSC frequency"));
}

std::optional<std::uint64_t> KvmVcpu::read_msr(std::uint32_t index) const
{
    return get_msr(fd(), index);
}

bool KvmVcpu::write_msr(std::uint32_t index, std::uint64_t value)
{
    known_.forget();
    return set_msr(fd(), index, value);
}

namespace {

kvm_device_attr offset_attribute(std::uint64_t& offset)
{
    kvm_device_attr attribute{};
    attribute.group = KVM_VCPU_TSC_CTRL;
    attribute.attr = KVM_VCPU_TSC_OFFSET;
    attribute.addr = reinterpret_cast<std::uintptr_t>(&offset);
    return attribute;
}

} // namespace

std::optional<std::uint64_t> KvmVcpu::tsc_offset() const
{
    std::uint64_t offset = 0;
    auto attribute = offset_attribute(offset);
    if (::ioctl(fd(), KVM_GET_DEVICE_ATTR, &attribute) != 0) return std::nullopt;
    return offset;
}

bool KvmVcpu::set_tsc_offset(std::uint64_t offset)
{
    auto attribute = offset_attribute(offset);
    return ::ioctl(fd(), KVM_SET_DEVICE_ATTR, &attribute) == 0;
}

} // namespace vmm
