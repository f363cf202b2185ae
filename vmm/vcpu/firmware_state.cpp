#include "vmm/vcpu/firmware_state.hpp"

#include "vmm/base/memory_layout.hpp"

#include <array>
#include <cstring>

namespace vmm {

namespace {

// Registers of the local APIC, by their offsets (Intel SDM vol. 3 §11.4.1).
constexpr std::size_t spurious_vector = 0xF0;
constexpr std::size_t lvt_lint0 = 0x350;
constexpr std::size_t lvt_lint1 = 0x360;

constexpr std::uint32_t apic_enabled = 1U << 8 | 0x0F; // the vector of the specification's example
constexpr std::uint32_t lvt_nmi = 4U << 8;             // edge-triggered, active high, not masked
constexpr std::uint32_t lvt_ext_int = 7U << 8;
constexpr std::uint32_t lvt_masked = 1U << 16;

constexpr std::uint64_t cr0_not_write_through = 1U << 29;
constexpr std::uint64_t cr0_cache_disable = 1U << 30;

constexpr std::uint32_t ia32_feature_control = 0x3A;
constexpr std::uint32_t ia32_misc_enable = 0x1A0;
constexpr std::uint64_t feature_control_locked = 1U << 0;
constexpr std::uint64_t feature_control_vmx = 1U << 2; // outside of SMX
constexpr std::uint64_t misc_enable_fast_strings = 1U << 0;

constexpr std::uint32_t mtrr_phys_base0 = 0x200;
constexpr std::uint32_t mtrr_def_type = 0x2FF;
constexpr std::array<std::uint32_t, 11> mtrr_fixed{0x250, 0x258, 0x259, 0x268, 0x269, 0x26A,
                                                   0x26B, 0x26C, 0x26D, 0x26E, 0x26F};
constexpr std::uint32_t mtrr_fixed_frame_buffer = 0x259; // 0xA0000 to 0xBFFFF
constexpr std::uint64_t uncacheable = 0;
constexpr std::uint64_t write_back = 6;
constexpr std::uint64_t fixed_write_back = 0x0606'0606'0606'0606;
constexpr std::uint64_t mtrr_mask_valid = 1U << 11;
constexpr std::uint64_t mtrr_enabled = 1U << 11;
constexpr std::uint64_t mtrr_fixed_enabled = 1U << 10;

void set_register(LocalApicPage& apic, std::size_t offset, std::uint32_t value)
{
    std::memcpy(&apic.bytes[offset], &value, sizeof value);
}

void set_apic(Vcpu& vcpu, bool first)
{
    auto apic = vcpu.local_apic();
    set_register(apic, spurious_vector, apic_enabled);
    set_register(apic, lvt_lint0, first ? lvt_ext_int : lvt_ext_int | lvt_masked);
    set_register(apic, lvt_lint1, first ? lvt_nmi : lvt_nmi | lvt_masked);
    vcpu.set_local_apic(apic);
}

void enable_caches(Vcpu& vcpu)
{
    auto registers = vcpu.system_registers();
    registers.cr0 &= ~(cr0_cache_disable | cr0_not_write_through);
    vcpu.set_system_registers(registers);
}

/// The default is for RAM, wherever it lies; the one variable range takes the hole out of it.
void set_mtrrs(Vcpu& vcpu, unsigned physical_bits)
{
    auto const addresses = (std::uint64_t{1} << physical_bits) - 1;
    auto const& hole = layout::mmio_hole;
    static_assert((layout::mmio_hole.size & (layout::mmio_hole.size - 1)) == 0 &&
                  layout::mmio_hole.base.value % layout::mmio_hole.size == 0);

    for (auto const msr : mtrr_fixed)
        (void)vcpu.write_msr(msr, msr == mtrr_fixed_frame_buffer ? uncacheable : fixed_write_back);
    (void)vcpu.write_msr(mtrr_phys_base0, hole.base.value | uncacheable);
    (void)vcpu.write_msr(mtrr_phys_base0 + 1, (addresses & ~(hole.size - 1)) | mtrr_mask_valid);
    (void)vcpu.write_msr(mtrr_def_type, mtrr_enabled | mtrr_fixed_enabled | write_back);
}

void set_features(Vcpu& vcpu, GuestCpuid const& cpuid)
{
    constexpr std::uint32_t ntel = 0x6C65'746E; // leaf 0 ECX
    constexpr std::uint32_t ecx_vmx = 1U << 5;  // leaf 1
    if (cpuid.leaf(0).ecx != ntel) return;
    bool const vmx = (cpuid.leaf(1).ecx & ecx_vmx) != 0;
    (void)vcpu.write_msr(ia32_feature_control, feature_control_locked | (vmx ? feature_control_vmx : 0));
    if (auto const enabled = vcpu.read_msr(ia32_misc_enable))
        (void)vcpu.write_msr(ia32_misc_enable, *enabled | misc_enable_fast_strings);
}

} // namespace

void leave_as_firmware_does(std::span<Vcpu* const> vcpus, GuestCpuid const& cpuid)
{
    constexpr std::uint32_t edx_mtrr = 1U << 12; // leaf 1
    constexpr std::uint32_t least_physical_bits = 36;
    auto const features = cpuid.leaf(1);
    auto const told_bits = cpuid.leaf(0x8000'0008).eax & 0xFF;

    for (auto* const vcpu : vcpus) {
        bool const first = vcpu == vcpus.front();
        set_apic(*vcpu, first);
        if (!first) enable_caches(*vcpu);
        if (features.edx & edx_mtrr) set_mtrrs(*vcpu, told_bits ? told_bits : least_physical_bits);
        set_features(*vcpu, cpuid);
    }
}

void leave_to_firmware(std::span<Vcpu* const> vcpus, GuestCpuid const& cpuid)
{
    for (auto* const vcpu : vcpus) {
        vcpu->set_local_apic(vcpu->local_apic());
        set_features(*vcpu, cpuid);
    }
}

} // namespace vmm
