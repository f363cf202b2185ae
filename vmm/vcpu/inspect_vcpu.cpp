#include "vmm/hypervisor/error.hpp"
#include "vmm/vcpu/vcpu_thread.hpp"

namespace vmm {

namespace {

std::string_view name_of(Activity activity)
{
    switch (activity) {
    case Activity::Runs: return "runs";
    case Activity::Halted: return "halted";
    case Activity::WaitsForInit: return "waits for INIT";
    case Activity::WaitsForStartup: return "waits for its start-up";
    case Activity::Unknown: break;
    }
    return "unknown";
}

} // namespace

void VcpuThread::inspect(hv::Inspector& inspector) const
{
    inspector.text("state", name_of(vcpu_.activity()));
    if (gate_.closed()) inspector.flag("paused", true);
    auto const& regs = registers_;
    inspector.hex("rip", regs.rip);
    inspector.hex("rsp", regs.rsp);
    inspector.hex("rflags", regs.rflags);
    try {
        auto const system = vcpu_.system_registers();
        inspector.hex("cr0", system.cr0);
        inspector.hex("cr3", system.cr3);
        inspector.hex("cr4", system.cr4);
        inspector.hex("efer", system.efer);
    } catch (HypervisorError const&) {
        return; // what could be had is shown
    }
}

} // namespace vmm
