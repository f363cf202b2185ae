#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/host/host_facts.hpp"
#include "vmm/host/host_memory.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/kvm/kvm_host.hpp"

#include <linux/kvm.h>

#include <cerrno>
#include <set>
#include <unistd.h>

namespace {

std::string message_of(auto&& action)
{
    try {
        action();
    } catch (vmm::UserError const& e) {
        return e.what();
    }
    return {};
}

bool is_one_line(std::string const& text)
{
    return !text.empty() && text.find('\n') == std::string::npos;
}

std::vector<vmm::GuestOptions> guests_with(std::vector<std::uint64_t> const& memory)
{
    std::vector<vmm::GuestOptions> guests(memory.size());
    for (std::size_t n = 0; n < memory.size(); ++n)
        guests[n].memory = memory[n];
    return guests;
}

} // namespace

using Catch::Matchers::StartsWith;
using vmm::testing::Contains;

TEST_CASE("the processor flags say which virtualisation there is", "[host]")
{
    vmm::HostFacts amd;
    vmm::parse_cpuinfo("processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu svm npt\n\nprocessor\t: 1\n", amd);
    CHECK(amd.svm);
    CHECK_FALSE(amd.vmx);
    CHECK(amd.cpu_model == "AMD EPYC");

    vmm::HostFacts lookalike;
    vmm::parse_cpuinfo("flags\t\t: fpu svm_lock xvmx\nbugs\t\t: vmx\n", lookalike);
    CHECK_FALSE(lookalike.svm);
    CHECK_FALSE(lookalike.vmx);
}

TEST_CASE("a KVM without processor support is a software one", "[host]")
{
    CHECK(vmm::host_kind({.svm = true, .kvm_amd = true}) == vmm::HostKind::Hardware);
    CHECK(vmm::host_kind({.vmx = true}) == vmm::HostKind::Hardware);
    CHECK(vmm::host_kind({.kvm_pvm = true}) == vmm::HostKind::Software);
    CHECK(vmm::host_kind({.vmx = true, .kvm_pvm = true}) == vmm::HostKind::Software);
    CHECK(vmm::host_kind({.vmx = true, .kvm_intel = true, .kvm_pvm = true}) == vmm::HostKind::Hardware);
    CHECK(vmm::host_kind({}) == vmm::HostKind::Software);
}

TEST_CASE("a device that is not there names the module or the missing processor support", "[host]")
{
    CHECK_THAT(vmm::open_failure("/dev/kvm", ENOENT, {.svm = true}), Contains("modprobe kvm_amd"));
    CHECK_THAT(vmm::open_failure("/dev/kvm", ENOENT, {.vmx = true}), Contains("modprobe kvm_intel"));
    CHECK_THAT(vmm::open_failure("/dev/kvm", ENOENT, {}), Contains("BIOS"));
    CHECK_THAT(vmm::open_failure("/dev/kvm", EBUSY, {}), Contains("busy"));
    for (int const error : {ENOENT, ENODEV, EACCES, EBUSY, EMFILE})
        CHECK(is_one_line(vmm::open_failure("/dev/kvm", error, {})));
}

TEST_CASE("the command for access fits the device's group and mode", "[host]")
{
    CHECK_THAT(vmm::access_command("/dev/kvm", "kvm", 0660), Contains("usermod -aG kvm $USER"));
    CHECK_THAT(vmm::access_command("/dev/kvm", "kvm", 0600), Contains("setfacl -m u:$USER:rw /dev/kvm"));
    CHECK_THAT(vmm::access_command("/dev/kvm", "root", 0660), Contains("setfacl"));
}

TEST_CASE("opening something that is not KVM ends in one line", "[host]")
{
    auto const absent = message_of([] { (void)vmm::KvmHost::open("/nonexistent/kvm"); });
    CHECK(is_one_line(absent));
    CHECK_THAT(absent, Contains("/nonexistent/kvm"));

    auto const null_device = message_of([] { (void)vmm::KvmHost::open("/dev/null"); });
    CHECK(is_one_line(null_device));
    CHECK_THAT(null_device, Contains("not a KVM device"));
}

TEST_CASE("a capability with a mask needs all of its bits", "[host]")
{
    vmm::Capability const sync{KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS", KVM_SYNC_X86_REGS, true, ""};
    CHECK(vmm::is_present(sync, KVM_SYNC_X86_REGS));
    CHECK(vmm::is_present(sync, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS));
    CHECK_FALSE(vmm::is_present(sync, KVM_SYNC_X86_SREGS));
    CHECK_FALSE(vmm::is_present(sync, 0));
    CHECK_FALSE(vmm::is_present(sync, -1));
}

TEST_CASE("the capability table names each capability once", "[host]")
{
    std::set<int> numbers;
    for (auto const& capability : vmm::used_capabilities())
        CHECK(numbers.insert(capability.number).second);
    CHECK(numbers.contains(KVM_CAP_X86_MSR_FILTER));
}

TEST_CASE("missing capabilities are all named in one line", "[host]")
{
    auto const text = vmm::missing_capabilities_message({"KVM_CAP_A", "KVM_CAP_B"}, "5.4.0");
    CHECK(is_one_line(text));
    CHECK_THAT(text, Contains("KVM_CAP_A, KVM_CAP_B") && Contains("5.4.0"));
}

TEST_CASE("this machine's KVM, where there is one, makes a virtual machine", "[host][kvm]")
{
    if (::access("/dev/kvm", R_OK | W_OK) != 0) {
        WARN("no /dev/kvm here that this user may open");
        return;
    }
    auto const host = vmm::KvmHost::open();
    CHECK(host.create_vm().get() >= 0);
    CHECK(host.max_vcpus() >= 4);
    CHECK(host.run_page_size() >= sizeof(kvm_run));
    CHECK_FALSE(host.has(0x7FFF'FFFF));
}

TEST_CASE("the host's memory is its RAM and its swap", "[host]")
{
    CHECK(vmm::host_memory("MemTotal:       1024 kB\nMemFree: 7 kB\nSwapTotal:  1024 kB\n") == 2 << 20);
    CHECK(vmm::host_memory("") == 0);
    CHECK_NOTHROW(vmm::check_host_memory(guests_with({1 << 20}), false));

    constexpr auto half = std::uint64_t{1} << 63;
    auto const alone = message_of([] { vmm::check_host_memory(guests_with({half}), false); });
    CHECK(is_one_line(alone));
    CHECK_THAT(alone, Contains("--memory: the guest would have"));
    auto const together = message_of([] {
        auto guests = guests_with({1 << 20, half, half});
        guests.front().name = "server"; // as all have in a configuration file
        vmm::check_host_memory(guests, false);
    });
    CHECK_NOTHROW(vmm::check_host_memory(guests_with({half}), true)); // whoever overcommits knows
    CHECK(is_one_line(together));
    CHECK_THAT(together, StartsWith("memory: the guests together would have"));
}
