#include "vmm/machine/machine.hpp"

#include "vmm/acpi/acpi.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/initial_registers.hpp"
#include "vmm/boot/load_kernel.hpp"
#include "vmm/children/child_machines.hpp"
#include "vmm/machine/display.hpp"
#include "vmm/machine/firmware_devices.hpp"
#include "vmm/machine/guest_rights.hpp"
#include "vmm/machine/pc_devices.hpp"
#include "vmm/machine/test_devices.hpp"
#include "vmm/machine/tpm_device.hpp"
#include "vmm/machine/vmbus_devices.hpp"
#include "vmm/vcpu/firmware_state.hpp"
#include "vmm/vcpu/guest_cpuid.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <utility>

namespace vmm {

namespace {

/// The guest may be reading it. One that has deposited the page (TLFS 2.0a §7) has no use for it.
void put_generation(hv::GuestMemory const& memory, hv::vmbus::Guid const& generation)
{
    std::array<std::uint64_t, 2> words{};
    static_assert(sizeof words == sizeof generation.bytes);
    std::memcpy(words.data(), generation.bytes.data(), sizeof words);
    auto* const place = reinterpret_cast<std::uint64_t*>(memory.at(layout::generation_id.base, sizeof words));
    if (!place) return;
    for (std::size_t i = 0; i < words.size(); ++i)
        std::atomic_ref{place[i]}.store(words[i], std::memory_order_relaxed);
}

void check_cpus(Hypervisor const& hypervisor, unsigned cpus)
{
    if (cpus > hypervisor.max_vcpus())
        throw UserError{"this KVM runs at most " + std::to_string(hypervisor.max_vcpus()) +
                        " CPUs: give the guest fewer"};
}

} // namespace

Machine::Machine(World world, GuestOptions const& options, hv::PartitionId parent)
    : world_{std::move(world)},
      designation_{options.designation()},
      on_crash_{options.on_crash},
      layout_{options.memory, options.most_memory},
      memory_{std::make_shared<PcMemory>(layout_)},
      hybrid_{uses_acceleration(world_.hypervisor.acceleration(), options.hyperv)},
      rights_{rights_of(options, hybrid_, world_.hypervisor.acceleration().eoi_exits)},
      vm_{world_.hypervisor.create_vm(
          {.calls = hybrid_, .timers = hybrid_, .apic_msrs = rights_.has(hv::Recommendation::ApicMsrs)})},
      vm_memory_{*vm_, memory_->space(), entry_gate_},
      msi_{*vm_},
      retry_{world_.io},
      partition_{world_.registry}
{
    check_cpus(world_.hypervisor, options.cpus);
    if (world_.display) memory_->add_video(world_.display->memory());
    create_vcpus(options, parent);
    vmbus_ = std::make_unique<VmbusDevices>(
        VmbusDevices::World{world_.io, memory_, world_.opening, world_.start_user_network, world_.display,
                            [this](std::uint64_t address) { return memory_->place_video(address); }},
        partition_.get(), options);
    create_devices(options);
    load(options);
    begin_threads();
}

Machine::~Machine()
{
    stop();
    test_devices_.reset();
    tpm_.reset();
    firmware_devices_.reset();
    vmbus_.reset();
    partition_.remove();
}

void Machine::create_vcpus(GuestOptions const& options, hv::PartitionId parent)
{
    GuestCpuid const cpuid{world_.hypervisor, rights_, {options.cpus, options.nested, options.topology}};
    if (options.nested && !cpuid.virtualises())
        throw UserError{
            "--nested: this KVM gives guests neither VMX nor SVM: load kvm_intel or kvm_amd with nested=1, "
            "or leave the option out"};
    processor_ = smbios::describe_processor(
        [&cpuid](std::uint32_t function, std::uint32_t index) { return cpuid.leaf(function, index); });
    for (unsigned i = 0; i < options.cpus; ++i) {
        auto& vcpu = vm_->add_vcpu(i);
        vcpus_.push_back(std::make_unique<VcpuThread>(
            vcpu, i, ports_, mmio_, VcpuThread::Gates{entry_gate_, gate_}, [this](DeathReport const& report) {
                auto const kind = report.triple_fault ? Outcome::Kind::TripleFault : Outcome::Kind::Died;
                end({kind, 0, describe(designation_, report)});
            }));
        cpuid.install(vcpu, i);
        if (clock_)
            clock_->synchronise(vcpu);
        else
            clock_.emplace(vcpu);
    }
    world_.firmware ? leave_to_firmware(vcpus(), cpuid) : leave_as_firmware_does(vcpus(), cpuid);

    if (options.children.partitions != 0)
        children_ = std::make_unique<ChildMachines>(
            ChildrenWorld{world_.hypervisor, *clock_, gate_, options.children, hybrid_}, memory_);
    partition_.create(
        {.parent = parent,
         .rights = rights_,
         .pool_bytes = options.pool,
         .memory = memory_->memory(),
         .clock = *clock_,
         .interrupts = *this,
         .machine = *this,
         .tracer = world_.trace,
         .processor = cpuid.processor(),
         .max_vps = GuestOptions::max_cpus,
         .hypercall_page = hv::hypercall_page(hybrid_ ? kernel_calls(rights_, cpuid.processor()) : hv::KernelCalls{}),
         .children = children_.get()});
    if (world_.trace) world_.trace->set_partition(partition_->id());
    for (auto const& vcpu : vcpus_)
        vcpu->attach(partition_->add_vp(*vcpu));
    vm_->accelerate_timers(partition_->time());
    retry_.attach(partition_.get());
}

/// nullptr for a guest without a display.
std::shared_ptr<devices::firmware::ConsoleMailbox> Machine::firmware_console() const
{
    if (!world_.display) return nullptr;
    auto scanner = std::make_shared<devices::display::Scanner>(world_.display->screen(), vmbus_->executor());
    world_.display->screen()->attach(scanner);
    auto console = std::make_shared<devices::firmware::ConsoleMailbox>(
        std::move(scanner), [memory = memory_] { return memory->video_address(); });
    world_.display->connect_firmware(console);
    return console;
}

void Machine::create_devices(GuestOptions const& options)
{
    devices::PowerEvents& events = *this; // private to all but the devices
    PcDevices::Model model{.rtc = options.rtc};
    if (world_.firmware) {
        model.host_bridge = devices::firmware::host_bridge_440fx;
        model.keyboard_status = devices::KeyboardReset::nobody;
    }
    pc_ = std::make_unique<PcDevices>(world_.io, *vm_, layout_, world_.serial, events, ports_, model);
    if (world_.firmware) {
        firmware_devices_ = std::make_unique<FirmwareDevices>(
            FirmwareDevices::World{memory_, mmio_, ports_, pc_->pci(), pc_->acpi_pm(), events, pc_->resources(),
                                   vmbus_->disks().boot_units(), vmbus_->network().boot_cards(), firmware_console()},
            world_.firmware, layout_, options.cpus);
    }
    if (world_.tpm) tpm_ = std::make_unique<TpmDevice>(world_.tpm, memory_->space(), mmio_, pc_->resources());
    if (!options.test_devices) return;
    auto debug_exit = [this](std::uint32_t status) {
        end({Outcome::Kind::DebugExit, static_cast<int>(status & 0xFF), {}});
    };
    TestDevices::Config config{
        .serial = world_.serial, .debug_exit = std::move(debug_exit), .pci = {pc_->pci(), {mmio_, ports_}, msi_}};
    if (!world_.firmware) config.machine = {static_cast<std::uint16_t>(options.cpus), options.memory};
    test_devices_ = std::make_unique<TestDevices>(std::move(config), partition_.get(), pc_->resources(), ports_);
}

void Machine::load(GuestOptions const& options)
{
    put_generation(memory_->memory(), world_.generation);
    auto const nodes = numa_nodes(layout_, options.cpus, options.topology.nodes);
    AcpiConfig const acpi{.cpus = options.cpus,
                          .claims = pc_->resources().claims(),
                          .tpm = tpm_ ? TpmDevice::control_area : std::uint64_t{0},
                          .nodes = nodes,
                          .hot_add = layout_.hot_add()};
    smbios::Config const smbios{options.smbios, layout_,          processor_,
                                options.cpus,   options.topology, !firmware_devices_};
    if (firmware_devices_) // processors start as after a reset
        return firmware_devices_->add_tables(acpi_tables(acpi), smbios::tables(smbios));
    BootRequest request{.kernel = options.kernel, .initrd = {}, .cmdline = options.cmdline, .rsdp = {}};
    if (!options.initrd.empty()) request.initrd = options.initrd;
    for (auto const& [path, text] : options.modules)
        request.modules.push_back({path, text});
    request.rsdp = build_acpi(memory_->memory(), acpi);
    smbios::build(memory_->memory(), smbios);
    auto const state = load_kernel(request, layout_, memory_->memory());

    auto& vcpu = vcpus_.front()->vcpu();
    Registers registers{};
    auto system = vcpu.system_registers();
    apply(state, registers, system);
    vcpu.set_system_registers(system);
    vcpu.set_registers(registers);
}

/// Before the first start, because what confines the thread that builds machines does so from then on, and would
/// confine vCPUs beside what is theirs: each exit would pay for both.
void Machine::begin_threads()
{
    gate_.expect(static_cast<unsigned>(vcpus_.size()));
    try {
        for (auto const& vcpu : vcpus_)
            vcpu->begin();
    } catch (...) {
        stop();
        throw;
    }
}

void Machine::start()
{
    for (auto const& vp : partition_->vps())
        vp->requests().open(); // before the first of them can ask another
    started_ = partition_->time().now();
    for (auto const& vcpu : vcpus_)
        vcpu->start();
}

void Machine::stop()
{
    for (auto const& vcpu : vcpus_)
        vcpu->request_stop();
    for (auto const& vcpu : vcpus_)
        vcpu->join();
    if (!partition_) return;
    for (auto const& vp : partition_->vps())
        vp->requests().close(); // also of one whose thread could not be started
}

void Machine::pause(std::function<void()> paused)
{
    gate_.close(std::move(paused));
    for (auto const& vcpu : vcpus_)
        vcpu->kick();
    if (children_) children_->look_up();
}

bool Machine::stop_time()
{
    if (!clock_->stop(vcpus())) return false;
    pc_->stop_time();
    return true;
}

void Machine::quiesce(std::function<void()> at_rest)
{
    auto const busy = hv::call_when_at_rest(std::move(at_rest));
    partition_->hold_deliveries();
    pc_->quiesce(busy);
    if (tpm_) tpm_->quiesce();
    vmbus_->quiesce(busy);
}

void Machine::resume()
{
    partition_->release_deliveries();
    vmbus_->resume();
    pc_->resume();
    if (tpm_) tpm_->resume();
    clock_->go_on(vcpus());
    pc_->resume_time();
    gate_.open();
    for (auto const& vp : partition_->vps())
        vp->requests().wake();
    if (children_) children_->look_up();
}

std::vector<Vcpu*> Machine::vcpus() const
{
    std::vector<Vcpu*> all(vcpus_.size());
    std::ranges::transform(vcpus_, all.begin(), [](auto const& thread) { return &thread->vcpu(); });
    return all;
}

void Machine::inspect_devices(hv::Inspector& inspector) const
{
    vmbus_->inspect(inspector);
    if (tpm_) tpm_->inspect(inspector);
    if (world_.display) world_.display->inspect(inspector);
}

void Machine::detach()
{
    pc_->detach();
    vmbus_->detach();
    retry_.detach();
}

void Machine::press_power_button()
{
    pc_->acpi_pm().press_power_button();
}

void Machine::change_generation(hv::vmbus::Guid const& generation)
{
    put_generation(memory_->memory(), generation);
    pc_->acpi_pm().raise_event(devices::platform::generation_changed);
}

std::size_t Machine::receive(std::span<std::byte const> input)
{
    return pc_->com1().receive(input);
}

bool Machine::listens() const
{
    return pc_->com1().receive_interrupt_enabled();
}

std::chrono::nanoseconds Machine::running_for() const
{
    return std::chrono::nanoseconds{(partition_->time().now().value - started_.value) * 100};
}

void Machine::reset()
{
    end({Outcome::Kind::Reset, 0, {}});
}

void Machine::power_off()
{
    end({Outcome::Kind::PowerOff, 0, {}});
}

/// A guest may report as often as it likes. What it says after a few times is not news.
void Machine::report_crash(hv::CrashReport const& report)
{
    if (on_crash_ == OnCrash::End)
        return end({Outcome::Kind::Died, 0, describe(designation_, report, memory_->memory())});
    if (crash_reports_.load() < most_crash_reports && crash_reports_.fetch_add(1) < most_crash_reports)
        world_.crashed(describe(designation_, report, memory_->memory()));
}

void Machine::assert_vector(hv::VpIndex vp, std::uint8_t vector, bool auto_eoi)
{
    if (world_.trace) [[unlikely]]
        world_.trace->interrupt(vp, vector, auto_eoi);
    if (auto_eoi) [[unlikely]]
        vcpus_[vp.value]->assert_auto_eoi(vector);
    else
        vm_->signal_msi(vp.value, vector);
}

void Machine::send(hv::VirtualInterrupt const& interrupt)
{
    bool const traceable = interrupt.type == hv::abi::InterruptType::Fixed && !interrupt.logical_destination;
    if (world_.trace && traceable) [[unlikely]]
        world_.trace->interrupt(hv::VpIndex{interrupt.destination}, interrupt.vector, false);
    vm_->signal_msi(interrupt);
}

void Machine::external_interrupt_waits(hv::VpIndex vp)
{
    vcpus_[vp.value]->inject_external_interrupt();
}

void Machine::retry_messages_later(hv::VpIndex vp)
{
    retry_.schedule(vp);
}

void Machine::synic_enabled(hv::VpIndex)
{
    world_.synic_enabled();
}

void Machine::end(Outcome outcome)
{
    std::call_once(ended_, [&] {
        for (auto const& vcpu : vcpus_)
            vcpu->stay_out(); // what would come after a power-off, a reset or a crash does not happen
        world_.ended(std::move(outcome));
    });
}

} // namespace vmm
