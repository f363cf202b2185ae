#include "vmm/cli/testing/puppet.hpp"

#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"

#include <unistd.h>

namespace vmm::testing {

std::string puppet()
{
    return (build_folder() / "guest-tests" / "puppet.elf").string();
}

bool can_run()
{
    if (::access("/dev/kvm", R_OK | W_OK) == 0 && std::filesystem::exists(puppet())) return true;
    WARN("needs /dev/kvm and the guest programs");
    return false;
}

std::string guest(std::string const& name, std::string const& cmdline, std::string const& more)
{
    return "[[guest]]\nname = '" + name + "'\nkernel = '" + puppet() + "'\nmemory = '16M'\ncmdline = '" + cmdline +
           "'\ntest-devices = true\nprivileges = ['create-port', 'connect-port', 'access-partition-id', "
           "'access-vp-registers']\n" +
           more + "\n";
}

bool has_line(std::string const& text, std::string const& line)
{
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

} // namespace vmm::testing
