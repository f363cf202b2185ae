#include "vmm/jail/identity.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/host/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <grp.h>
#include <optional>
#include <pwd.h>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vmm::jail {

namespace {

using devices::os_error;

std::optional<unsigned> number(std::string_view text)
{
    unsigned value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value == ~0U) return {};
    return value;
}

struct Account {
    ::uid_t user = 0;
    ::gid_t group = 0;
    std::string name{}; ///< empty for a number that no user has
};

Account find_account(std::string const& text)
{
    auto const colon = text.find(':');
    auto const user = text.substr(0, colon);
    Account account;
    auto const as_number = number(user);
    auto const* const entry = as_number ? ::getpwuid(*as_number) : ::getpwnam(user.c_str());
    if (entry) {
        account = {entry->pw_uid, entry->pw_gid, entry->pw_name};
    } else if (as_number && colon != std::string::npos) {
        account.user = *as_number;
    } else {
        throw UserError{"--user " + text + ": there is no user '" + user +
                        "': make one with useradd --system, or give numbers, e.g. 991:991"};
    }
    if (colon == std::string::npos) return account;

    auto const group = text.substr(colon + 1);
    auto const group_number = number(group);
    auto const* const found = group_number ? nullptr : ::getgrnam(group.c_str());
    if (!group_number && !found)
        throw UserError{"--user " + text + ": there is no group '" + group + "': make one with groupadd --system"};
    account.group = group_number ? *group_number : found->gr_gid;
    return account;
}

/// With the user's other groups, of which one may be that of /dev/kvm.
void become(Account const& account, std::string const& text)
{
    auto const groups =
        account.name.empty() ? ::setgroups(0, nullptr) : ::initgroups(account.name.c_str(), account.group);
    if (groups != 0 || ::setgid(account.group) != 0 || ::setuid(account.user) != 0)
        throw UserError{"--user " + text + ": " + os_error(errno)};
    (void)::prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L); // so that it can use its own /proc until the guests begin
}

std::string path_below(std::string const& folder, std::string const& text)
{
    return text.starts_with('/') ? text : folder + '/' + text;
}

void enter_cgroup(std::string const& text)
{
    auto const path = path_below("/sys/fs/cgroup", text) + "/cgroup.procs";
    UniqueFd const file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    auto const own = std::to_string(::getpid());
    if (!file || ::write(file.get(), own.data(), own.size()) < 0)
        throw UserError{"--cgroup " + text + ": " + path + ": " + os_error(errno) +
                        ": make the group first, with mkdir below /sys/fs/cgroup, and leave it without children"};
}

UniqueFd open_namespace(std::string const& text)
{
    auto const path = path_below("/run/netns", text);
    UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file)
        throw UserError{"--netns " + text + ": " + path + ": " + os_error(errno) +
                        ": make it first, with ip netns add " + text};
    return file;
}

void change_root(std::string const& folder)
{
    if (::chroot(folder.c_str()) != 0 || ::chdir("/") != 0)
        throw UserError{"--chroot " + folder + ": " + os_error(errno) + ": name a folder"};
}

constexpr auto* device = "/dev/kvm";

/// Once it has become who it is to be.
void check_user(JailOptions const& options)
{
    if (::access(device, R_OK | W_OK) == 0 || errno != EACCES) return; // who opens it says more
    throw UserError{"--user " + options.user + ": " + device + ": " + os_error(EACCES) +
                    ": setfacl -m u:" + options.user.substr(0, options.user.find(':')) + ":rw " + device +
                    ", or add the user to the group that may use it"};
}

void check_root(JailOptions const& options, bool has_user_network)
{
    if (has_user_network && ::access("/proc/self/exe", F_OK) != 0)
        throw UserError{"--chroot " + options.chroot +
                        ": there is no /proc in it, which a user-mode network needs: mkdir " + options.chroot +
                        "/proc && mount -t proc proc " + options.chroot + "/proc"};
    if (::access(device, R_OK | W_OK) == 0) return;
    auto const error = errno;
    if (error == ENOENT)
        throw UserError{"--chroot " + options.chroot + ": there is no /dev/kvm in it: mkdir " + options.chroot +
                        "/dev && mknod -m 660 " + options.chroot + "/dev/kvm c 10 232"};
    throw UserError{"--chroot " + options.chroot + ": its /dev/kvm cannot be used: " + os_error(error) +
                    ": chgrp or chown it to the group or the user of --user"};
}

void require_root(JailOptions const& options)
{
    if (::geteuid() == 0) return;
    auto const* const option = !options.cgroup.empty()   ? "--cgroup"
                               : !options.netns.empty()  ? "--netns"
                               : !options.chroot.empty() ? "--chroot"
                                                         : "--user";
    throw UserError{std::string{option} + " needs root: start Porthole by sudo, or leave the option out"};
}

} // namespace

void assume_identity(JailOptions const& options, bool has_user_network)
{
    if (options.user.empty() && options.chroot.empty() && options.netns.empty() && options.cgroup.empty()) return;
    require_root(options);
    std::optional<Account> account; // looked up where /etc still is
    if (!options.user.empty()) account = find_account(options.user);
    UniqueFd net;
    if (!options.netns.empty()) net = open_namespace(options.netns);

    if (!options.cgroup.empty()) enter_cgroup(options.cgroup);
    if (net && ::setns(net.get(), CLONE_NEWNET) != 0)
        throw UserError{"--netns " + options.netns + ": " + os_error(errno) +
                        ": name a network namespace: ip netns list shows which there are"};
    if (!options.chroot.empty()) change_root(options.chroot);
    if (account) become(*account, options.user);
    if (!options.chroot.empty())
        check_root(options, has_user_network);
    else if (account)
        check_user(options);
}

} // namespace vmm::jail
