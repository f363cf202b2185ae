#include "devices/block/ring_setup.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/commands.hpp"
#include "vmm/cli/doctor_report.hpp"
#include "vmm/host/host_facts.hpp"
#include "vmm/jail/landlock.hpp"
#include "vmm/jail/load_program.hpp"
#include "vmm/kvm/kvm_host.hpp"

#include <cstdio>

namespace vmm {

namespace {

std::vector<DoctorReport::Finding> look_up(KvmHost const& host, std::span<Capability const> capabilities)
{
    std::vector<DoctorReport::Finding> findings;
    for (auto const& capability : capabilities)
        findings.push_back({&capability, host.has(capability)});
    return findings;
}

DoctorReport examine()
{
    DoctorReport report{.facts = host_facts(),
                        .seccomp = jail::filters_supported(),
                        .landlock = jail::Landlock::version(),
                        .rings = devices::block::can_restrict_rings()};
    try {
        auto const host = KvmHost::open_unchecked();
        report.opened = true;
        report.kind = host.kind();
        report.max_vcpus = host.max_vcpus();
        report.used = look_up(host, used_capabilities());
        report.hyperv = look_up(host, in_kernel_hyperv());
        (void)KvmHost::open();
        (void)host.create_vm();
    } catch (UserError const& e) {
        report.problem = e.what();
    }
    return report;
}

} // namespace

int doctor()
{
    auto const report = examine();
    if (std::fputs(to_text(report).c_str(), stdout) < 0 || std::fflush(stdout) != 0)
        throw UserError{"cannot write to standard output: give it somewhere to go"};
    return report.problem.empty() ? 0 : 2;
}

} // namespace vmm
