#include "vmm/cli/doctor_report.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string_view>

namespace vmm {

namespace {

char const* processor_support(HostFacts const& facts)
{
    if (facts.svm) return "AMD-V (svm)";
    if (facts.vmx) return "Intel VT-x (vmx)";
    return "none (neither vmx nor svm in /proc/cpuinfo)";
}

std::string kvm_line(DoctorReport const& report)
{
    if (!report.opened) return "not usable";
    if (report.kind == HostKind::Hardware) return "hardware virtualisation";
    return report.facts.kvm_pvm ? "software (kvm_pvm): guests run in an instruction emulator"
                                : "software: guests run without help from the processor";
}

std::string hyperv_line(DoctorReport const& report)
{
    auto const present = [&](auto const& wanted) {
        return std::ranges::any_of(report.hyperv, [&](auto& f) { return f.present && wanted(f.capability->name); });
    };
    if (present([](std::string_view name) { return name == "KVM_CAP_HYPERV_TLBFLUSH"; }))
        return "present: flushes TLBs and runs direct timers for guests (--hyperv=hybrid, the default here); "
               "all else is Porthole's own";
    if (present([](std::string_view) { return true; }))
        return "present, not used: Porthole brings its own (--hyperv=user)";
    return "absent, not needed: Porthole brings its own (--hyperv=user)";
}

std::string verdict(DoctorReport const& report)
{
    if (!report.problem.empty()) return "nothing (" + report.problem + ")";
    if (report.kind == HostKind::Hardware) return "64-bit Linux and test guests";
    return "test guests only (software KVM, too slow and too incomplete for 64-bit Linux; "
           "it runs with VT-x or AMD-V)";
}

char const* state(DoctorReport::Finding const& finding)
{
    if (finding.present) return "yes";
    return finding.capability->required ? "MISSING" : "no";
}

std::string jail_line(DoctorReport const& report)
{
    auto const landlock = report.landlock == 0 ? std::string{"no landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK)"}
                                               : fmt::format("landlock {}", report.landlock);
    return std::string{report.seccomp ? "seccomp" : "no seccomp filters"} + ", " + landlock + ", " +
           (report.rings ? "io_uring restricted" : "no restricted io_uring (Linux 5.10)");
}

} // namespace

std::string to_text(DoctorReport const& report)
{
    auto text = fmt::format("porthole {}\n"
                            "kernel:            Linux {}\n"
                            "processor:         {}\n"
                            "virtualisation:    {}\n"
                            "KVM:               {}\n"
                            "jail:              {}\n",
                            PORTHOLE_VERSION, report.facts.kernel, report.facts.cpu_model,
                            processor_support(report.facts), kvm_line(report), jail_line(report));
    if (report.opened) {
        text += fmt::format("kernel's Hyper-V:  {}\n"
                            "most processors:   {}\n"
                            "capabilities:\n",
                            hyperv_line(report), report.max_vcpus);
        for (auto const& finding : report.used) {
            text += fmt::format("  {:<7} {:<9} {:<30} {}\n", state(finding),
                                finding.capability->required ? "required" : "optional", finding.capability->name,
                                finding.capability->purpose);
        }
    }
    return text + "can run: " + verdict(report) + "\n";
}

} // namespace vmm
