#include "vmm/children/child_vcpu.hpp"

#include "vmm/base/log.hpp"
#include "vmm/children/rewind.hpp"
#include "vmm/hypervisor/error.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vmm {

using hv::Intercept;

ChildVcpu::ChildVcpu(Place place, VcpuPool::Lease thread, std::function<void()> ended)
    : place_{place},
      lease_{std::move(thread)},
      ended_{std::move(ended)},
      thread_{place.vcpu,
              place.index,
              ports_,
              mmio_,
              {place.memory.gate(), place.pause},
              [](DeathReport const& report) {
                  static RateLimit limit;
                  warn_limited(limit, "a processor of a guest's child has come to its end: {}", report.reason);
              }},
      tsc_offset_{place.clock.begin(place.vcpu)}
{
    thread_.give_exits_to(*this);
}

ChildVcpu::~ChildVcpu()
{
    end();
}

void ChildVcpu::begin(hv::VirtualProcessor& vp, hv::VpSupervisor& supervisor)
{
    vp_.store(&vp);
    supervisor_ = &supervisor;
    thread_.attach(vp);
    thread_.start();
    place_.pause.join();
    runs_ = true;
    lease_.run([this] { thread_.run_here(); });
}

void ChildVcpu::end()
{
    if (std::exchange(runs_, false)) {
        thread_.leave_guest();
        lease_.wait();
    }
    if (ended_) std::exchange(ended_, nullptr)();
}

void ChildVcpu::look_up()
{
    auto* const vp = vp_.load();
    if (!vp) return;
    vp->requests().wake();
    thread_.kick();
}

std::vector<hv::CpuidEntry> models_leaves(std::span<CpuidEntry const> leaves)
{
    std::vector<hv::CpuidEntry> out(leaves.size());
    std::ranges::transform(leaves, out.begin(), [](CpuidEntry const& from) {
        return hv::CpuidEntry{from.function, from.index, from.has_index, {from.eax, from.ebx, from.ecx, from.edx}};
    });
    return out;
}

bool ChildVcpu::read_apic(hv::LocalApicPage& page) const
try {
    if (!place_.local_apic) return false;
    page = place_.vcpu.local_apic().bytes;
    return true;
} catch (HypervisorError const&) {
    return false;
}

bool ChildVcpu::write_apic(hv::LocalApicPage const& page)
try {
    if (!place_.local_apic) return false;
    place_.vcpu.set_local_apic({page});
    return true;
} catch (HypervisorError const&) {
    return false;
}

bool ChildVcpu::set_cpuid(std::span<hv::CpuidEntry const> entries)
try {
    std::vector<CpuidEntry> leaves(entries.size());
    std::ranges::transform(entries, leaves.begin(), [](hv::CpuidEntry const& from) {
        auto const& values = from.values;
        return CpuidEntry{from.function, from.index, from.has_index, values.eax, values.ebx, values.ecx, values.edx};
    });
    place_.vcpu.set_cpuid(leaves);
    return true;
} catch (HypervisorError const&) {
    return false;
}

/// The child's TSC has been moved, or stood still. A vCPU that has set its own goes on from that.
bool ChildVcpu::enters()
{
    if (!place_.vcpu.can_enter()) {
        supervisor_->intercepted({.kind = Intercept::Kind::UnrecoverableException});
        return false;
    }
    auto const wanted = place_.clock.offset();
    if (wanted == tsc_offset_) return true;
    auto const moved = wanted - std::exchange(tsc_offset_, wanted);
    if (auto const before = place_.vcpu.tsc_offset()) (void)place_.vcpu.set_tsc_offset(*before + moved);
    vp_.load()->tsc_moved();
    return false; // a timer may be due
}

/// What nobody intercepts reads as ones, and is written to nothing.
void ChildVcpu::answer(exits::PortAccess const& io)
{
    if (supervisor_->intercepts_port(io.port, io.size, io.is_write))
        return supervisor_->intercepted(rewind_port_access({place_.vcpu, place_.memory.readable()}, io));
    if (!io.is_write) std::memset(io.data, 0xFF, std::size_t{io.size} * io.count);
}

/// KVM is behind a write that rings, or goes there when the VP is entered again.
void ChildVcpu::answer(exits::MmioAccess const& mmio)
{
    if (mmio.is_write && supervisor_->rang(mmio.address, mmio.data)) return;
    supervisor_->intercepted(rewind_memory_access({place_.vcpu, place_.memory.readable()}, mmio));
}

void ChildVcpu::answer(exits::MsrRead const& msr)
{
    switch (supervisor_->msr_answer(msr.index, false)) {
    case hv::MsrAnswer::Fault: return place_.vcpu.finish_msr_read(std::nullopt);
    case hv::MsrAnswer::Ignore: return place_.vcpu.finish_msr_read(0);
    case hv::MsrAnswer::Intercept: break;
    }
    supervisor_->intercepted(rewind_msr_access({place_.vcpu, place_.memory.readable()}, msr.index, false));
}

void ChildVcpu::answer(exits::MsrWrite const& msr)
{
    switch (supervisor_->msr_answer(msr.index, true)) {
    case hv::MsrAnswer::Fault: return place_.vcpu.finish_msr_write(false);
    case hv::MsrAnswer::Ignore: return place_.vcpu.finish_msr_write(true);
    case hv::MsrAnswer::Intercept: break;
    }
    supervisor_->intercepted(rewind_msr_access({place_.vcpu, place_.memory.readable()}, msr.index, true));
}

/// It is behind the instruction, as an interrupt finds it that ends the halt.
void ChildVcpu::answer(exits::Halted)
{
    place_.vcpu.settle();
    supervisor_->intercepted({.kind = Intercept::Kind::Halt});
}

void ChildVcpu::answer(exits::TripleFault)
{
    supervisor_->intercepted({.kind = Intercept::Kind::UnrecoverableException});
}

/// Most likely for want of memory at its instruction.
void ChildVcpu::answer(exits::Failed)
{
    Intercept fetch{.kind = Intercept::Kind::UnrecoverableException};
    auto const& memory = place_.memory.readable();
    (void)is_fetch_fault(
        {place_.vcpu, memory}, [&](hv::Gpa gpa) { return memory.at(gpa, 1) != nullptr; }, fetch);
    supervisor_->intercepted(fetch);
}

} // namespace vmm
