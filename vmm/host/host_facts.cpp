#include "vmm/host/host_facts.hpp"

#include "devices/base/os_error.hpp"

#include <cerrno>
#include <fstream>
#include <grp.h>
#include <iterator>
#include <sstream>
#include <sys/utsname.h>

namespace vmm {

namespace {

bool has_module(char const* name)
{
    struct ::stat unused {};
    return ::stat((std::string{"/sys/module/"} + name).c_str(), &unused) == 0;
}

std::string group_name(::gid_t gid)
{
    auto const* const entry = ::getgrgid(gid);
    return entry ? entry->gr_name : std::string{};
}

std::string no_device(std::string const& device, HostFacts const& facts)
{
    if (facts.svm)
        return "no " + device + ": load KVM with 'sudo modprobe kvm_amd' (AMD-V may also be off in the BIOS)";
    if (facts.vmx)
        return "no " + device + ": load KVM with 'sudo modprobe kvm_intel' (VT-x may also be off in the BIOS)";
    return "no " + device +
           " and no vmx or svm flag in /proc/cpuinfo: turn on VT-x or AMD-V in the BIOS, or nested " +
           "virtualisation when this machine is itself a virtual one";
}

std::string no_permission(std::string const& device)
{
    struct ::stat status {};
    if (::stat(device.c_str(), &status) != 0) return "no permission to open " + device + ": run Porthole as root";
    return "no permission to open " + device + ": " +
           access_command(device, group_name(status.st_gid), status.st_mode);
}

} // namespace

void parse_cpuinfo(std::string_view text, HostFacts& facts)
{
    std::istringstream lines{std::string{text}};
    for (std::string line; std::getline(lines, line) && !line.empty();) {
        auto const colon = line.find(": ");
        if (colon == std::string::npos) continue;
        auto const value = line.substr(colon + 2);

        if (line.starts_with("model name")) facts.cpu_model = value;
        if (!line.starts_with("flags")) continue;
        std::istringstream flags{value};
        for (std::string flag; flags >> flag;) {
            facts.vmx |= flag == "vmx";
            facts.svm |= flag == "svm";
        }
    }
}

HostFacts host_facts()
{
    HostFacts facts;
    std::ifstream file{"/proc/cpuinfo"};
    parse_cpuinfo(std::string{std::istreambuf_iterator<char>{file}, {}}, facts);
    facts.kvm_intel = has_module("kvm_intel");
    facts.kvm_amd = has_module("kvm_amd");
    facts.kvm_pvm = has_module("kvm_pvm");

    ::utsname names{};
    if (::uname(&names) == 0) facts.kernel = names.release;
    return facts;
}

HostKind host_kind(HostFacts const& facts)
{
    if (!facts.vmx && !facts.svm) return HostKind::Software;
    if (facts.kvm_pvm && !facts.kvm_intel && !facts.kvm_amd) return HostKind::Software;
    return HostKind::Hardware;
}

std::string access_command(std::string const& device, std::string const& group, ::mode_t mode)
{
    bool const group_may = (mode & S_IRGRP) && (mode & S_IWGRP);
    if (group_may && !group.empty() && group != "root")
        return "run 'sudo usermod -aG " + group + " $USER' and log in again";
    return "run 'sudo setfacl -m u:$USER:rw " + device + "'";
}

std::string open_failure(std::string const& device, int error, HostFacts const& facts)
{
    switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO: return no_device(device, facts);
    case EACCES:
    case EPERM: return no_permission(device);
    case EBUSY:
        return device +
               " is busy: stop the other hypervisor (VirtualBox, VMware) that holds the processor, then try again";
    case EMFILE:
    case ENFILE:
    case ENOMEM: return "cannot open " + device + ": " + devices::os_error(error);
    default: return "cannot open " + device + ": " + devices::os_error(error) + "; see 'dmesg | grep -i kvm'";
    }
}

} // namespace vmm
