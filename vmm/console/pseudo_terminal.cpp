#include "vmm/console/pseudo_terminal.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>

namespace vmm {

namespace {

[[noreturn]] void refuse()
{
    throw UserError{std::string{"cannot make a pseudo terminal: "} + devices::os_error(errno) +
                    "; give the guest another console, e.g. file:PATH"};
}

} // namespace

PseudoTerminal::PseudoTerminal() : master_{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)}
{
    std::array<char, 64> name{};
    if (!master_ || ::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0 ||
        ::ptsname_r(master_.get(), name.data(), name.size()) != 0)
        refuse();
    path_ = name.data();
    slave_ = UniqueFd{::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC)};
    termios modes{};
    if (!slave_ || ::tcgetattr(slave_.get(), &modes) != 0) refuse();
    ::cfmakeraw(&modes);
    if (::tcsetattr(slave_.get(), TCSANOW, &modes) != 0) refuse();
}

} // namespace vmm
