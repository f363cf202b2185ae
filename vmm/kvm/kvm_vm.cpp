#include "vmm/kvm/kvm_vm.hpp"

#include "hv/abi/msr.hpp"
#include "vmm/base/log.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/kvm/counted_list.hpp"
#include "vmm/kvm/kick_signal.hpp"
#include "vmm/kvm/kvm_host.hpp"
#include "vmm/kvm/kvm_ioctl.hpp"

#include <linux/kvm.h>

#include <array>
#include <span>
#include <sys/ioctl.h>
#include <utility>
#include <vector>

namespace vmm {

namespace {

constexpr std::uint32_t msi_address = 0xFEE0'0000; // Intel SDM vol. 3 §11.11.1
constexpr unsigned msi_window_shift = 20;
constexpr unsigned msi_destination_shift = 12;
constexpr std::uint32_t msi_logical_destination = 1U << 2;
constexpr unsigned msi_delivery_mode_shift = 8; // of the data, as the next
constexpr std::uint32_t msi_level_asserted = 0b11U << 14;

void send_msi(int vm_fd, std::uint32_t address, std::uint32_t data)
{
    kvm_msi msi{};
    msi.address_lo = address;
    msi.data = data;
    // 0 says that the APIC took nothing: it is disabled by software, and then the interrupt is lost (TLFS 2.0a
    // §14.2.4).
    if (::ioctl(vm_fd, KVM_SIGNAL_MSI, &msi) < 0) {
        static RateLimit limit;
        warn_limited(limit, "an interrupt could not be raised: {}", std::strerror(errno));
    }
}

} // namespace

KvmVm::KvmVm(KvmHost const& host, VmConfig const& config)
    : host_{host}, config_{config}, fd_{host.create_vm()}, slots_{fd()}
{
    auto identity_map = layout::kvm_identity_map.base.value;
    kvm_ioctl(fd(), KVM_SET_IDENTITY_MAP_ADDR, &identity_map, "KVM_SET_IDENTITY_MAP_ADDR");
    kvm_ioctl(fd(), KVM_SET_TSS_ADDR, layout::kvm_tss.base.value, "KVM_SET_TSS_ADDR");
    if (config.controllers == InterruptControllers::Pc) create_interrupt_controllers();
    if (config.controllers == InterruptControllers::LocalApics) create_local_apics();
    trap_synthetic_msrs(config.apic_msrs);
    kick_signal::install();
}

Vcpu& KvmVm::add_vcpu(unsigned index)
{
    return *vcpus_.emplace_back(std::make_unique<KvmVcpu>(host_, fd(), index, config_));
}

/// Where KVM has no timers of its own, the model runs all of them.
void KvmVm::accelerate_timers(hv::ReferenceTime const& time)
{
    if (!config_.timers || !host_.has(KVM_CAP_HYPERV_SYNIC2)) return;
    if (!kernel_time_) kernel_time_.emplace(time);
    for (; with_timers_ < vcpus_.size(); ++with_timers_)
        vcpus_[with_timers_]->acceleration()->use_timers(*kernel_time_);
}

void KvmVm::create_interrupt_controllers() const
{
    kvm_ioctl(fd(), KVM_CREATE_IRQCHIP, "an in-kernel interrupt controller");
    kvm_pit_config pit{};
    pit.flags = KVM_PIT_SPEAKER_DUMMY;
    kvm_ioctl(fd(), KVM_CREATE_PIT2, &pit, "an in-kernel timer chip");
    route_interrupts();
}

void KvmVm::create_local_apics() const
{
    constexpr std::uint64_t inputs = 240; // one for each vector from 16 on; KVM keeps the number in eight bits
    kvm_enable_cap split{};
    split.cap = KVM_CAP_SPLIT_IRQCHIP;
    split.args[0] = inputs;
    kvm_ioctl(fd(), KVM_ENABLE_CAP, &split, "in-kernel local APICs");
}

/// As on a PC, and as the MADT says: ISA interrupt 0 arrives at I/O APIC input 2, all others at the input of their
/// number.
void KvmVm::route_interrupts() const
{
    constexpr std::uint32_t isa_interrupts = 16;
    constexpr std::uint32_t io_apic_inputs = 24;
    constexpr std::uint32_t pic_inputs = 8;
    constexpr std::uint32_t cascade = 2;

    std::vector<kvm_irq_routing_entry> routes;
    auto const add = [&](std::uint32_t gsi, std::uint32_t chip, std::uint32_t pin) {
        kvm_irq_routing_entry route{};
        route.gsi = gsi;
        route.type = KVM_IRQ_ROUTING_IRQCHIP;
        route.u.irqchip.irqchip = chip;
        route.u.irqchip.pin = pin;
        routes.push_back(route);
    };
    for (std::uint32_t gsi = 0; gsi < io_apic_inputs; ++gsi) {
        if (gsi == cascade) continue;
        if (gsi < isa_interrupts)
            add(gsi, gsi < pic_inputs ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, gsi % pic_inputs);
        add(gsi, KVM_IRQCHIP_IOAPIC, gsi == 0 ? cascade : gsi);
    }
    CountedList<kvm_irq_routing_entry> list{std::span<kvm_irq_routing_entry const>{routes}};
    kvm_ioctl(fd(), kvm_request::set_gsi_routing, list.data(), "the interrupt routes of a PC");
}

/// The filter comes before whatever Hyper-V emulation the kernel has of its own. The MSRs of the local APIC may be
/// left to that: EOI, ICR and TPR.
void KvmVm::trap_synthetic_msrs(bool but_for_apic) const
{
    kvm_enable_cap user_space_msr{};
    user_space_msr.cap = KVM_CAP_X86_USER_SPACE_MSR;
    user_space_msr.args[0] = KVM_MSR_EXIT_REASON_FILTER | (config_.unknown_msrs ? KVM_MSR_EXIT_REASON_UNKNOWN : 0);
    kvm_ioctl(fd(), KVM_ENABLE_CAP, &user_space_msr, "MSR exits to user space");

    namespace msr = hv::abi::msr;
    std::array<std::uint8_t, msr::count / 8> allowed{};
    for (auto bit = msr::eoi - msr::first; but_for_apic && bit <= msr::tpr - msr::first; ++bit)
        allowed[bit / 8] |= static_cast<std::uint8_t>(1U << bit % 8);
    kvm_msr_filter filter{};
    filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
    filter.ranges[0].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
    filter.ranges[0].base = msr::first;
    filter.ranges[0].nmsrs = msr::count;
    filter.ranges[0].bitmap = allowed.data();
    kvm_ioctl(fd(), KVM_X86_SET_MSR_FILTER, &filter, "an MSR filter");
}

void KvmVm::signal_msi(std::uint32_t apic_id, std::uint8_t vector)
{
    send_msi(fd(), msi_address | apic_id << msi_destination_shift, vector);
}

/// The delivery modes of an MSI have the numbers of the TLFS's interrupt types.
void KvmVm::signal_msi(hv::VirtualInterrupt const& interrupt)
{
    auto const address = msi_address | std::uint32_t{interrupt.destination} << msi_destination_shift |
                         (interrupt.logical_destination ? msi_logical_destination : 0);
    send_msi(fd(), address,
             interrupt.vector | static_cast<std::uint32_t>(interrupt.type) << msi_delivery_mode_shift |
                 (interrupt.level_triggered ? msi_level_asserted : 0));
}

/// KVM exits for the EOI of a vector that an input of the I/O APIC in user space has, level-triggered and for this
/// vCPU: an input for each, for all of them.
void KvmVm::watch_eois(std::uint8_t vector)
{
    constexpr std::uint32_t all_apics = 0xFF;
    auto vectors = eoi_vectors_;
    vectors.push_back(vector);
    std::vector<kvm_irq_routing_entry> routes(vectors.size());
    for (std::size_t input = 0; input < routes.size(); ++input) {
        auto& route = routes[input];
        route.gsi = static_cast<std::uint32_t>(input);
        route.type = KVM_IRQ_ROUTING_MSI;
        route.u.msi.address_lo = msi_address | all_apics << msi_destination_shift;
        route.u.msi.data = vectors[input] | msi_level_asserted;
    }
    CountedList<kvm_irq_routing_entry> list{std::span<kvm_irq_routing_entry const>{routes}};
    kvm_ioctl(fd(), kvm_request::set_gsi_routing, list.data(), "to tell of the ends of interrupts");
    eoi_vectors_ = std::move(vectors);
}

/// What goes elsewhere is no interrupt. A PC would write the data to memory there; no device of ours does that.
void KvmVm::write_msi(std::uint64_t address, std::uint32_t data)
{
    if (address >> msi_window_shift != msi_address >> msi_window_shift) return;
    send_msi(fd(), static_cast<std::uint32_t>(address), data);
}

void KvmVm::set_irq_line(std::uint32_t gsi, bool asserted)
{
    kvm_irq_level level{};
    level.irq = gsi;
    level.level = asserted ? 1 : 0;
    if (::ioctl(fd(), KVM_IRQ_LINE, &level) < 0) {
        static RateLimit limit;
        warn_limited(limit, "interrupt line {} could not be driven: {}", gsi, std::strerror(errno));
    }
}

namespace {

class KvmDoorbell final : public Doorbell {
  public:
    KvmDoorbell(int vm_fd, DoorbellAddress const& address, int event_fd) : vm_fd_{vm_fd}
    {
        using Space = DoorbellAddress::Space;
        event_.addr = address.address;
        event_.len = address.size;
        event_.fd = event_fd;
        event_.flags = address.space == Space::Port ? unsigned{KVM_IOEVENTFD_FLAG_PIO} : 0U;
        kvm_ioctl(vm_fd_, KVM_IOEVENTFD, &event_, "a doorbell");
    }
    ~KvmDoorbell() override
    {
        event_.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
        (void)::ioctl(vm_fd_, KVM_IOEVENTFD, &event_);
    }

  private:
    int const vm_fd_;
    kvm_ioeventfd event_{};
};

} // namespace

std::unique_ptr<Doorbell> KvmVm::add_doorbell(DoorbellAddress const& address, int event_fd)
{
    return std::make_unique<KvmDoorbell>(fd(), address, event_fd);
}

} // namespace vmm
