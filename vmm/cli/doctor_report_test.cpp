#include "hv/testing/catch.hpp"
#include "vmm/cli/doctor_report.hpp"
#include "vmm/host/testing/contains.hpp"

namespace {

using Catch::Matchers::EndsWith;
using vmm::testing::Contains;

vmm::DoctorReport healthy()
{
    vmm::DoctorReport report{.facts = {.svm = true, .kvm_amd = true, .cpu_model = "AMD EPYC", .kernel = "6.1.0"},
                             .opened = true,
                             .kind = vmm::HostKind::Hardware,
                             .max_vcpus = 1024};
    for (auto const& capability : vmm::used_capabilities())
        report.used.push_back({&capability, true});
    return report;
}

} // namespace

TEST_CASE("on hardware the verdict is Linux", "[doctor]")
{
    auto const text = to_text(healthy());
    CHECK_THAT(text, EndsWith("\ncan run: 64-bit Linux and test guests\n"));
    CHECK_THAT(text, Contains("AMD-V") && Contains("1024") && Contains("KVM_CAP_X86_MSR_FILTER"));
    CHECK_THAT(text, !Contains("MISSING"));
}

TEST_CASE("on a software KVM the verdict is test guests only", "[doctor]")
{
    auto report = healthy();
    report.facts = {.kvm_pvm = true};
    report.kind = vmm::HostKind::Software;
    auto const text = to_text(report);
    CHECK_THAT(text, Contains("\ncan run: test guests only (software KVM"));
    CHECK_THAT(text, Contains("kvm_pvm"));
}

TEST_CASE("doctor says who answers hypercalls here", "[doctor]")
{
    auto report = healthy();
    CHECK_THAT(to_text(report), Contains("absent, not needed") && Contains("--hyperv=user"));
    for (auto const& capability : vmm::in_kernel_hyperv())
        report.hyperv.push_back({&capability, true});
    CHECK_THAT(to_text(report), Contains("--hyperv=hybrid, the default here"));
    report.hyperv.back().present = false; // an old kernel that flushes no TLBs
    CHECK_THAT(to_text(report), Contains("present, not used") && Contains("--hyperv=user"));
}

TEST_CASE("a missing capability stands out and a problem is the verdict", "[doctor]")
{
    auto report = healthy();
    report.used.front().present = false;
    report.problem = "do this";
    auto const text = to_text(report);
    CHECK_THAT(text, Contains("MISSING required  KVM_CAP_USER_MEMORY"));
    CHECK_THAT(text, EndsWith("\ncan run: nothing (do this)\n"));
}

TEST_CASE("without a device there is no list of capabilities", "[doctor]")
{
    vmm::DoctorReport report{.problem = "no /dev/kvm"};
    auto const text = to_text(report);
    CHECK_THAT(text, !Contains("capabilities:"));
    CHECK_THAT(text, EndsWith("can run: nothing (no /dev/kvm)\n"));
}

TEST_CASE("what the kernel has for a jail is a line", "[doctor][jail]")
{
    auto report = healthy();
    report.landlock = 4;
    CHECK_THAT(to_text(report), Contains("\njail:              seccomp, landlock 4, io_uring restricted\n"));
    report.seccomp = false;
    report.landlock = 0;
    CHECK_THAT(to_text(report), Contains("\njail:              no seccomp filters, no landlock (Linux 5.13"));
    report.rings = false;
    CHECK_THAT(to_text(report), Contains(", no restricted io_uring (Linux 5.10)\n"));
}
