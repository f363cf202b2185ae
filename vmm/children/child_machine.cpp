#include "vmm/children/child_machine.hpp"

#include "vmm/base/log.hpp"

#include <array>
#include <exception>
#include <utility>

namespace vmm {

namespace {

using hv::abi::RegisterName;

/// Registers beyond the general and the system ones, as a reset leaves them (Intel SDM vol. 3 §9.1.1). What a KVM
/// does not have of them it does not take either.
constexpr std::array<std::pair<RegisterName, std::uint64_t>, 22> reset_values{{
    {RegisterName::PendingInterruption, 0},
    {RegisterName::InterruptState, 0},
    {RegisterName::Dr0, 0},
    {RegisterName::Dr6, 0xFFFF'0FF0},
    {RegisterName::Dr7, 0x400},
    {RegisterName::Xfem, 1},
    {RegisterName::KernelGsBase, 0},
    {RegisterName::Pat, 0x0007'0406'0007'0406},
    {RegisterName::SysenterCs, 0},
    {RegisterName::SysenterEip, 0},
    {RegisterName::SysenterEsp, 0},
    {RegisterName::Star, 0},
    {RegisterName::Lstar, 0},
    {RegisterName::Cstar, 0},
    {RegisterName::Sfmask, 0},
    {RegisterName::MtrrDefType, 0},
    {RegisterName::TscAux, 0},
    {RegisterName::DebugCtl, 0},
    {RegisterName::SpecCtrl, 0},
    {RegisterName::Xss, 0},
    {RegisterName::TscAdjust, 0},
    {RegisterName::MiscEnable, 1},
}};

constexpr std::uint64_t mxcsr_after_reset = 0x1F80;
constexpr std::uint64_t fcw_after_reset = 0x0040;

} // namespace

bool ChildMachineList::take_room()
{
    std::lock_guard const guard{lock_};
    if (taken_ >= most_) return false;
    ++taken_;
    return true;
}

void ChildMachineList::give_back()
{
    std::lock_guard const guard{lock_};
    --taken_;
}

void ChildMachineList::add(ChildMachine& machine)
{
    std::lock_guard const guard{lock_};
    machines_.insert(&machine);
}

void ChildMachineList::remove(ChildMachine& machine)
{
    std::lock_guard const guard{lock_};
    machines_.erase(&machine);
}

void ChildMachineList::look_up()
{
    std::lock_guard const guard{lock_};
    for (auto* const machine : machines_)
        machine->look_up();
}

std::unique_ptr<hv::ChildMachine> ChildOrigin::make(bool local_apics) const
{
    if (!workers->machines.take_room()) return nullptr;
    try {
        std::unique_ptr<ChildMachine> made;
        workers->builder.run([&] { made = std::make_unique<ChildMachine>(*this, local_apics); });
        return made;
    } catch (std::exception const& error) {
        workers->machines.give_back();
        static RateLimit limit;
        warn_limited(limit, "a guest's child could not be made: {}", error.what());
        return nullptr;
    }
}

ChildMachine::ChildMachine(ChildOrigin origin, bool local_apics)
    : world_{origin.world},
      workers_{std::move(origin.workers)},
      local_apics_{local_apics},
      clock_{world_.clock},
      leaves_{models_leaves(GuestCpuid{world_.hypervisor, hv::Rights{}, {world_.most_vps(), false}}.for_apic_id(0))},
      vm_{world_.hypervisor.create_vm(
          {.timers = local_apics && world_.kernel_timers,
           .unknown_msrs = true,
           .staged_registers = true,
           .controllers = local_apics ? InterruptControllers::LocalApics : InterruptControllers::None})},
      memory_{std::make_shared<ChildMemory>(*vm_, std::move(origin.parents))}
{
    workers_->machines.add(*this);
}

ChildMachine::~ChildMachine()
{
    workers_->machines.remove(*this);
    workers_->builder.run([this] {
        memory_->end();
        vm_.reset();
    });
    workers_->machines.give_back();
}

std::unique_ptr<hv::ChildProcessor> ChildMachine::add_processor(hv::VpIndex index, hv::Rights const& rights,
                                                                hv::ReferenceTime const& time)
try {
    auto lease = workers_->threads.take();
    if (!lease) return nullptr;
    std::unique_ptr<ChildVcpu> made;
    workers_->builder.run([&] {
        auto const& found = processor(index.value, rights, time);
        ChildVcpu::Place const place{*found.vcpu, index.value, found.cpuid, local_apics_,
                                     *memory_,    clock_,      world_.pause};
        made = std::make_unique<ChildVcpu>(place, std::move(lease), [this, index] { forget(index.value); });
        std::lock_guard const guard{lock_};
        processors_[index.value].running = made.get();
    });
    return made;
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "a processor of a guest's child could not be made: {}", error.what());
    return nullptr;
}

void ChildMachine::forget(unsigned index)
{
    std::lock_guard const guard{lock_};
    processors_[index].running = nullptr;
}

/// One that is after a reset: a new one, or that of a VP that is no more. KVM does not take vCPUs back.
ChildMachine::Processor const& ChildMachine::processor(unsigned index, hv::Rights const& rights,
                                                       hv::ReferenceTime const& time)
{
    std::unique_lock guard{lock_};
    auto const found = processors_.find(index);
    if (found != processors_.end()) {
        auto const& before = found->second;
        guard.unlock();
        reset(before, index);
        return before;
    }
    guard.unlock();
    auto& made = vm_->add_vcpu(index);
    GuestCpuid const cpuid{world_.hypervisor, rights, {world_.most_vps(), false}};
    Processor processor{.vcpu = &made, .reset = {}, .cpuid = cpuid.for_apic_id(index)};
    made.set_cpuid(processor.cpuid);
    vm_->accelerate_timers(time);
    processor.reset.system = made.system_registers();
    if (local_apics_) processor.reset.apic = made.local_apic();
    guard.lock();
    return processors_.emplace(index, std::move(processor)).first->second;
}

/// A vCPU that has run keeps the CPUID that it ran with, if KVM lets it change no more.
void ChildMachine::reset(Processor const& processor, unsigned index) const
{
    auto& vcpu = *processor.vcpu;
    Registers registers{};
    registers.rflags = rflags::always_one;
    registers.rip = 0xFFF0;
    registers.rdx = 0x600; // as KVM has it: family 6
    auto const& state = processor.reset;
    try {
        vcpu.set_cpuid(processor.cpuid);
    } catch (HypervisorError const&) {
    }
    if (auto* const acceleration = vcpu.acceleration())
        for (unsigned timer = 0; timer < hv::SyntheticTimers::count; ++timer)
            acceleration->stop_direct_timer(timer); // before the local APIC, which it may yet reach
    vcpu.set_registers(registers);
    vcpu.set_system_registers(state.system);
    if (local_apics_) vcpu.set_local_apic(state.apic);
    for (auto const& [name, value] : reset_values)
        (void)vcpu.set_register(name, {value, 0});
    (void)vcpu.set_register(RegisterName::FpControlStatus, {fcw_after_reset, 0});
    (void)vcpu.set_register(RegisterName::XmmControlStatus, {0, mxcsr_after_reset});
    for (std::uint32_t i = 0; i < 16; ++i)
        (void)vcpu.set_register(static_cast<RegisterName>(static_cast<std::uint32_t>(RegisterName::Xmm0) + i),
                                {0, 0});
    if (local_apics_ && index != 0) vcpu.wait_for_init();
}

void ChildMachine::look_up()
{
    std::lock_guard const guard{lock_};
    for (auto const& [index, processor] : processors_)
        if (processor.running) processor.running->look_up();
}

/// The others take it as they enter the guest, which they are made to do, so that all have one TSC soon.
bool ChildMachine::set_tsc(std::uint64_t tsc)
{
    auto const before = clock_.offset();
    if (!clock_.set(tsc)) return false;
    if (clock_.offset() == before) return true;
    std::lock_guard const guard{lock_};
    for (auto const& [index, processor] : processors_)
        if (processor.running) processor.running->thread().kick();
    return true;
}

void ChildMachine::assert_vector(hv::VpIndex vp, std::uint8_t vector, bool auto_eoi)
{
    if (!local_apics_) return;
    if (!auto_eoi) return vm_->signal_msi(vp.value, vector);
    std::lock_guard const guard{lock_};
    auto const found = processors_.find(vp.value);
    if (found != processors_.end() && found->second.running) found->second.running->thread().assert_auto_eoi(vector);
}

void ChildMachine::send(hv::VirtualInterrupt const& interrupt)
{
    if (!local_apics_) return;
    if (interrupt.level_triggered) watch_eois(interrupt.vector);
    vm_->signal_msi(interrupt);
}

void ChildMachine::watch_eois(std::uint8_t vector)
try {
    std::lock_guard const guard{eoi_lock_};
    if (level_triggered_[vector]) return;
    workers_->builder.run([&] { vm_->watch_eois(vector); });
    level_triggered_.set(vector);
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "the end of an interrupt of a guest's child will not be told: {}", error.what());
}

void ChildMachine::external_interrupt_waits(hv::VpIndex vp)
{
    std::lock_guard const guard{lock_};
    auto const found = processors_.find(vp.value);
    if (found != processors_.end() && found->second.running)
        found->second.running->thread().inject_external_interrupt();
}

} // namespace vmm
