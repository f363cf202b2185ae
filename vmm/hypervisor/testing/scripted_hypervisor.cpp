#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"

namespace vmm::testing {

namespace {

class SilentDoorbell final : public Doorbell {};

} // namespace

Vcpu& ScriptedVm::add_vcpu(unsigned)
{
    faults_.check(Call::AddVcpu);
    return *vcpus_.emplace_back(std::make_unique<ScriptedVcpu>(faults_, vcpus_.empty()));
}

void ScriptedVm::map(MemoryMapping const& mapping)
{
    faults_.check(Call::Map);
    std::lock_guard const guard{lock_};
    on_mapping();
    for (auto const& [base, other] : record_.memory) {
        if (base == mapping.base.value && other.host.data() == mapping.host.data() &&
            other.host.size() == mapping.host.size())
            continue;
        if (mapping.base.value < base + other.host.size() && base < mapping.base.value + mapping.host.size())
            throw HypervisorError{"the hypervisor refused guest memory: File exists"};
    }
    record_.memory.insert_or_assign(mapping.base.value, mapping);
}

void ScriptedVm::unmap(hv::Gpa base)
{
    std::lock_guard const guard{lock_};
    on_mapping();
    record_.memory.erase(base.value);
}

std::vector<std::uint64_t> ScriptedVm::take_dirty_pages(hv::Gpa base)
{
    std::lock_guard const guard{lock_};
    auto const found = record_.memory.find(base.value);
    if (found == record_.memory.end() || !found->second.logs_writes)
        throw HypervisorError{"no writes are logged there"};
    std::vector<std::uint64_t> bitmap((found->second.host.size() / hv::page_size + 63) / 64);
    for (std::size_t page = 0; page < found->second.host.size() / hv::page_size; ++page)
        bitmap[page / 64] |= std::uint64_t{dirty_.erase(base.value / hv::page_size + page)} << page % 64;
    return bitmap;
}

void ScriptedVm::dirty(hv::Gpa page)
{
    std::lock_guard const guard{lock_};
    for (auto const& [base, mapping] : record_.memory) {
        if (mapping.logs_writes && page.value - base < mapping.host.size()) dirty_.insert(page.value / hv::page_size);
    }
}

void ScriptedVm::signal_msi(std::uint32_t apic_id, std::uint8_t vector)
{
    std::lock_guard const guard{lock_};
    record_.interrupts.emplace_back(apic_id, vector);
}

void ScriptedVm::signal_msi(hv::VirtualInterrupt const& interrupt)
{
    std::lock_guard const guard{lock_};
    record_.virtual_interrupts.push_back(interrupt);
}

void ScriptedVm::write_msi(std::uint64_t address, std::uint32_t data)
{
    std::lock_guard const guard{lock_};
    record_.messages.emplace_back(address, data);
}

void ScriptedVm::set_irq_line(std::uint32_t gsi, bool asserted)
{
    std::lock_guard const guard{lock_};
    record_.lines[gsi] = asserted;
}

std::unique_ptr<Doorbell> ScriptedVm::add_doorbell(DoorbellAddress const&, int)
{
    return std::make_unique<SilentDoorbell>();
}

void ScriptedVm::accelerate_timers(hv::ReferenceTime const&)
{
    faults_.check(Call::AccelerateTimers);
    std::lock_guard const guard{lock_};
    if (!config_.timers) return;
    for (; record_.timers_accelerated < vcpus_.size(); ++record_.timers_accelerated) {
        auto& vcpu = *vcpus_[record_.timers_accelerated];
        vcpu.is_accelerated = vcpu.accelerated.takes_direct_timers = true;
    }
}

ScriptedVm::Record ScriptedVm::record() const
{
    std::lock_guard const guard{lock_};
    return record_;
}

std::unique_ptr<Vm> ScriptedHypervisor::create_vm(VmConfig const& config) const
{
    faults.check(Call::CreateVm);
    auto vm = std::make_unique<ScriptedVm>(faults, config);
    last_ = vm.get();
    return vm;
}

/// Of some processor of AMD's.
std::vector<CpuidEntry> ScriptedHypervisor::supported_cpuid() const
{
    faults.check(Call::SupportedCpuid);
    return {{.function = 0, .eax = 1, .ebx = 0x6874'7541, .ecx = 0x444D'4163, .edx = 0x6974'6E65},
            {.function = 1, .eax = 0x0083'0F10, .ebx = 0, .ecx = 0, .edx = 1U << 12},
            {.function = 0x8000'0000, .eax = 0x8000'000A},
            {.function = 0x8000'0001, .ecx = virtualises ? 1U << 2 : 0},
            {.function = 0x8000'0008, .eax = 0x3028},
            {.function = 0x8000'000A, .eax = virtualises ? 1U : 0}};
}

} // namespace vmm::testing
