#include "hv/testing/catch.hpp"
#include "vmm/jail/load_program.hpp"
#include "vmm/jail/seccomp_filter.hpp"
#include "vmm/jail/testing/child.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace vmm::jail {

using testing::End;
using testing::in_child;

namespace {

constexpr End killed{-1, SIGSYS};

/// As much as a child needs to end.
SeccompFilter least()
{
    SeccompFilter filter;
    filter.allow({SYS_exit_group, SYS_write}).allow_for_sanitizers();
    return filter;
}

/// What becomes of a child that makes the call under the filter: its errno is the status.
End call_under(SeccompFilter const& filter, long number, long first = 0, long second = 0, long third = 0)
{
    return in_child([&] {
        filter.load();
        return ::syscall(number, first, second, third) < 0 ? errno : 0;
    });
}

} // namespace

TEST_CASE("A call that is not on the list ends the process", "[jail][seccomp]")
{
    REQUIRE(filters_supported());
    auto filter = least();
    CHECK(call_under(filter, SYS_getppid) == killed);
    CHECK(call_under(filter, SYS_execve) == killed);
    CHECK(call_under(filter, 5000) == killed); // none of this kernel's
    filter.allow({SYS_getppid});
    CHECK(call_under(filter, SYS_getppid) == End{0, 0});
}

TEST_CASE("A call by the interface of x32 is not the one that is allowed", "[jail][seccomp]")
{
    constexpr long x32 = 0x40000000;
    auto filter = least();
    filter.allow({SYS_getppid});
    CHECK(call_under(filter, SYS_getppid | x32) == killed);
}

TEST_CASE("A call is allowed with the arguments that are named", "[jail][seccomp]")
{
    auto filter = least();
    filter.allow(SYS_socket, {Argument::equals(0, AF_INET), Argument::masked(1, 0xF, SOCK_STREAM)})
        .allow(SYS_socket, {Argument::equals(0, AF_UNIX)})
        .allow(SYS_dup, {Argument::at_least(0, 2)})
        .allow(SYS_close, {Argument::at_most(0, 1)})
        .allow(SYS_fcntl, {Argument::differs(1, F_SETFL)});
    CHECK(call_under(filter, SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC) == End{0, 0});
    CHECK(call_under(filter, SYS_socket, AF_UNIX, SOCK_DGRAM) == End{0, 0});
    CHECK(call_under(filter, SYS_socket, AF_INET, SOCK_DGRAM) == killed);
    CHECK(call_under(filter, SYS_socket, AF_NETLINK, SOCK_RAW) == killed);
    CHECK(call_under(filter, SYS_dup, 1) == killed);
    CHECK(call_under(filter, SYS_dup, 2) == End{0, 0});
    CHECK(call_under(filter, SYS_close, 1) == End{0, 0});
    CHECK(call_under(filter, SYS_close, 2) == killed);
    CHECK(call_under(filter, SYS_fcntl, 2, F_GETFD) == End{0, 0});
    CHECK(call_under(filter, SYS_fcntl, 2, F_SETFL) == killed);
}

TEST_CASE("A call that is refused gives its error", "[jail][seccomp]")
{
    auto filter = least();
    filter.refuse(SYS_getppid, EACCES).allow({SYS_getpid}).refuse(SYS_dup, EPERM, {Argument::equals(0, 1)});
    CHECK(call_under(filter, SYS_getppid) == End{EACCES, 0});
    CHECK(call_under(filter, SYS_getpid) == End{0, 0});
    CHECK(call_under(filter, SYS_dup, 1) == End{EPERM, 0});
    CHECK(call_under(filter, SYS_dup, 2) == killed);
}

TEST_CASE("A call that is trapped is answered by the handler of SIGSYS", "[jail][seccomp]")
{
    auto filter = least();
    filter.trap(SYS_getppid);
    CHECK(in_child([&] {
              std::signal(SIGSYS, [](int) { ::_exit(7); });
              filter.load();
              return static_cast<int>(::syscall(SYS_getppid));
          }) == End{7, 0});
}

TEST_CASE("A second filter forbids more, and allows nothing again", "[jail][seccomp]")
{
    auto first = least();
    first.allow({SYS_getpid, SYS_seccomp, SYS_prctl});
    auto second = least();
    second.allow({SYS_getppid});
    CHECK(in_child([&] {
              first.load();
              second.load();
              return static_cast<int>(::syscall(SYS_getppid));
          }) == killed);
}

TEST_CASE("A filter's program is whole instructions", "[jail][seccomp]")
{
    auto const program = least().program();
    CHECK(program.size() % 8 == 0);
    CHECK(program.size() / 8 < 50); // sanitizers want some more
}

TEST_CASE("A condition on an argument that no call has, and two on the same one, are refused", "[jail][seccomp]")
{
    CHECK_THROWS_AS(least().allow(SYS_dup, {Argument::equals(6, 1)}), std::system_error);
    CHECK_THROWS_AS(least().allow(SYS_dup, {Argument::at_least(0, 1), Argument::at_most(0, 2)}), std::system_error);
}

} // namespace vmm::jail
