#include "vmm/jail/privileges.hpp"

#include <linux/capability.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace vmm::jail {

namespace {

[[noreturn]] void fail(char const* what)
{
    throw std::system_error{errno, std::generic_category(), what};
}

/// Both ends included.
void close_between(unsigned first, unsigned last)
{
    if (first > last || ::syscall(SYS_close_range, first, last, 0U) == 0) return;
    ::rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    auto const end = std::min<rlim_t>(rlim_t{last} + 1, files.rlim_max);
    for (rlim_t fd = first; fd < end; ++fd)
        ::close(static_cast<int>(fd));
}

constexpr unsigned most_capabilities = 64;

/// Two words for each set: _LINUX_CAPABILITY_VERSION_3 (capset(2)).
struct CapabilitySets {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> words{};
};

CapabilitySets read_sets()
{
    CapabilitySets sets;
    if (::syscall(SYS_capget, &sets.header, sets.words.data()) != 0) fail("capget");
    return sets;
}

} // namespace

void close_inherited(std::span<int const> kept)
{
    std::vector<unsigned> stay;
    for (auto const fd : kept)
        if (fd >= 0) stay.push_back(static_cast<unsigned>(fd));
    std::ranges::sort(stay);
    unsigned first = 0;
    for (auto const fd : stay) {
        if (fd > first) close_between(first, fd - 1);
        first = fd + 1;
    }
    close_between(first, std::numeric_limits<unsigned>::max());
}

void forbid_new_privileges()
{
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0) fail("PR_SET_NO_NEW_PRIVS");
}

void forbid_dumps()
{
    if (::prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0) fail("PR_SET_DUMPABLE");
    limit(RLIMIT_CORE, 0);
}

void drop_bounding_capabilities(Capabilities kept)
{
    for (unsigned number = 0; number < most_capabilities; ++number) {
        auto const there = ::prctl(PR_CAPBSET_READ, static_cast<unsigned long>(number), 0L, 0L, 0L);
        if (there < 0) break; // the kernel knows no more
        if (there == 0 || (kept >> number & 1) != 0) continue;
        if (::prctl(PR_CAPBSET_DROP, static_cast<unsigned long>(number), 0L, 0L, 0L) == 0) continue;
        if (errno == EPERM) break; // without CAP_SETPCAP the bounding set stays: no_new_privs is what counts then
        fail("PR_CAPBSET_DROP");
    }
}

void drop_capabilities(Capabilities kept)
{
    drop_bounding_capabilities(kept);
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) != 0 && errno != EINVAL)
        fail("PR_CAP_AMBIENT_CLEAR_ALL");
    auto sets = read_sets();
    for (unsigned i = 0; i < sets.words.size(); ++i) {
        auto& word = sets.words[i];
        word.permitted &= static_cast<std::uint32_t>(kept >> (32 * i));
        word.effective = word.permitted;
        word.inheritable = 0;
    }
    if (::syscall(SYS_capset, &sets.header, sets.words.data()) != 0) fail("capset");
}

Capabilities effective_capabilities()
{
    auto const sets = read_sets();
    return Capabilities{sets.words[1].effective} << 32 | sets.words[0].effective;
}

Capabilities bounding_capabilities()
{
    Capabilities found = 0;
    for (unsigned number = 0; number < most_capabilities; ++number) {
        auto const there = ::prctl(PR_CAPBSET_READ, static_cast<unsigned long>(number), 0L, 0L, 0L);
        if (there < 0) break;
        if (there == 1) found |= Capabilities{1} << number;
    }
    return found;
}

void limit(int resource, rlim_t most)
{
    auto const which = static_cast<__rlimit_resource_t>(resource);
    ::rlimit now{};
    if (::getrlimit(which, &now) != 0) fail("getrlimit");
    now.rlim_max = std::min(now.rlim_max, most);
    now.rlim_cur = std::min(now.rlim_cur, now.rlim_max);
    if (::setrlimit(which, &now) != 0) fail("setrlimit");
}

} // namespace vmm::jail
