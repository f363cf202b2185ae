#include "vmm/kvm/kvm_host.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/host/host_facts.hpp"

#include <linux/kvm.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/ioctl.h>

namespace vmm {

KvmHost KvmHost::open_unchecked(std::string const& device)
{
    auto const facts = host_facts();
    UniqueFd fd{::open(device.c_str(), O_RDWR | O_CLOEXEC)};
    if (!fd) throw UserError{open_failure(device, errno, facts)};

    auto const version = ::ioctl(fd.get(), KVM_GET_API_VERSION, 0);
    if (version < 0) throw UserError{device + " is not a KVM device: load KVM (kvm_amd or kvm_intel) and try again"};
    if (version != KVM_API_VERSION) {
        throw UserError{device + " speaks KVM API version " + std::to_string(version) + ", not " +
                        std::to_string(KVM_API_VERSION) + ": use Linux 5.10 or newer"};
    }
    return KvmHost{std::move(fd), host_kind(facts)};
}

KvmHost KvmHost::open(std::string const& device)
{
    auto host = open_unchecked(device);
    if (auto const names = host.missing(); !names.empty())
        throw UserError{missing_capabilities_message(names, host_facts().kernel)};
    return host;
}

int KvmHost::value(int capability) const
{
    return std::max(0, ::ioctl(fd(), KVM_CHECK_EXTENSION, capability));
}

bool KvmHost::has(Capability const& capability) const
{
    return is_present(capability, value(capability.number));
}

std::vector<std::string> KvmHost::missing() const
{
    std::vector<std::string> names;
    for (auto const& capability : used_capabilities()) {
        if (capability.required && !has(capability)) names.emplace_back(capability.name);
    }
    return names;
}

unsigned KvmHost::max_vcpus() const
{
    constexpr int promised_minimum = 4; // where KVM says nothing: Documentation/virt/kvm/api.rst, KVM_CREATE_VCPU
    auto const limit = value(KVM_CAP_MAX_VCPUS);
    if (limit > 0) return static_cast<unsigned>(limit);
    return static_cast<unsigned>(std::max(promised_minimum, value(KVM_CAP_NR_VCPUS)));
}

std::size_t KvmHost::run_page_size() const
{
    auto const size = ::ioctl(fd(), KVM_GET_VCPU_MMAP_SIZE, 0);
    if (size < static_cast<int>(sizeof(kvm_run)))
        throw UserError{"KVM offers a vCPU page that is too small: use Linux 5.10 or newer"};
    return static_cast<std::size_t>(size);
}

UniqueFd KvmHost::create_vm() const
{
    for (;;) {
        UniqueFd vm{::ioctl(fd(), KVM_CREATE_VM, 0)};
        if (vm) return vm;
        if (errno == EINTR) continue;
        if (errno == EBUSY) {
            throw UserError{"KVM is busy: stop the other hypervisor (VirtualBox, VMware) that holds the processor, "
                            "then try again"};
        }
        if (devices::is_limit(errno))
            throw UserError{"cannot have another virtual machine: " + devices::os_error(errno)};
        throw UserError{std::string{"KVM cannot create a virtual machine: "} + devices::os_error(errno) +
                        "; see 'dmesg | grep -i kvm'"};
    }
}

} // namespace vmm
