#include "devices/base/os_error.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/jail/load_program.hpp"
#include "vmm/jail/privileges.hpp"
#include "vmm/jail/testing/child.hpp"
#include "vmm/jail/thread_calls.hpp"
#include "vmm/jail/violation.hpp"
#include "vmm/log/open_log.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace vmm::jail {

using devices::ThreadRole;
using testing::End;
using testing::in_child;

namespace {

constexpr End ended{violation_status, 0};
constexpr int came_through = 0;
constexpr int refused = 1;

/// Numbers as those of a hypervisor are, by size and direction.
constexpr std::array<std::uint32_t, 7> run{0xAE80,     0x9000AEA4, 0x4008AE89, 0xC008AE88,
                                           0x8138AE83, 0x4040AE46, 0xAE9A};
constexpr std::array<std::uint32_t, 2> interrupt{0x4020AEA5, 0xC008AE67};
constexpr std::array<std::uint32_t, 2> build{0xAE01, 0xAE41};
constexpr HypervisorRequests requests{run, interrupt, build};

std::vector<ThreadRole> all_roles()
{
    std::vector<ThreadRole> roles;
    for (unsigned i = 0; i < devices::thread_roles; ++i)
        roles.push_back(static_cast<ThreadRole>(i));
    return roles;
}

/// Makes a child a thread of this role, whose violations nobody hears of.
void confine(ThreadRole role, Needs needs = {})
{
    (void)!::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    tell_violations();
    forbid_new_privileges();
    load_program(program_of(role, requests, needs));
}

/// A child that is a thread of this role makes a call.
template <typename... Arguments>
End with(Needs needs, ThreadRole role, long call, Arguments... arguments)
{
    return in_child([&] {
        confine(role, needs);
        return ::syscall(call, arguments...) < 0 && errno != EBADF && errno != ENOTTY ? refused : came_through;
    });
}

template <typename... Arguments>
End as(ThreadRole role, long call, Arguments... arguments)
{
    return with({.servers = true}, role, call, arguments...);
}

} // namespace

TEST_CASE("A thread of any role that has been taken over gets nothing by its calls", "[jail][seccomp]")
{
    auto* const none = static_cast<char*>(nullptr);
    for (auto const role : all_roles()) {
        CAPTURE(devices::name_of(role));
        CHECK(as(role, SYS_execve, "/bin/sh", none, none) == ended);
        CHECK(as(role, SYS_execveat, AT_FDCWD, "/bin/sh", none, none, 0) == ended);
        CHECK(as(role, SYS_ptrace, PTRACE_ATTACH, 1, 0, 0) == ended);
        CHECK(as(role, SYS_process_vm_readv, 1, none, 0, none, 0, 0) == ended);
        CHECK(as(role, SYS_fork) == ended);
        CHECK(as(role, SYS_kill, 1, SIGTERM) == ended);
        CHECK(as(role, SYS_tgkill, 1, 1, SIGTERM) == ended);
        CHECK(as(role, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == ended);
        CHECK(as(role, SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC) == ended);
        CHECK(as(role, SYS_socket, AF_PACKET, SOCK_RAW, 0) == ended);
        CHECK(as(role, SYS_bpf, 0, none, 0) == ended);
        CHECK(as(role, SYS_setuid, 0) == ended);
        CHECK(as(role, SYS_ioctl, -1, TIOCSTI, none) == ended);
    }
}

TEST_CASE("A thread that a guest's data reaches opens and connects to nothing", "[jail][seccomp]")
{
    for (auto const role : {ThreadRole::Vcpu, ThreadRole::Events, ThreadRole::DiskRing, ThreadRole::Tap,
                            ThreadRole::LineWriter, ThreadRole::Tpm}) {
        CAPTURE(devices::name_of(role));
        CHECK(as(role, SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY) == ended);
        CHECK(as(role, SYS_open, "/proc/self/mem", O_RDWR) == ended);
        CHECK(as(role, SYS_socket, AF_INET, SOCK_STREAM, 0) == ended);
        if (role != ThreadRole::Events) CHECK(as(role, SYS_connect, -1, nullptr, 0) == ended);
        CHECK(as(role, SYS_clone, SIGCHLD, 0, 0, 0, 0) == ended);
    }
}

TEST_CASE("What speaks to servers opens files for reading alone, and without servers nobody opens any",
          "[jail][seccomp]")
{
    for (auto const role : {ThreadRole::NbdClient, ThreadRole::Opener, ThreadRole::Session}) {
        CAPTURE(devices::name_of(role));
        CHECK(as(role, SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY) == End{came_through, 0});
        CHECK(as(role, SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY) == ended);
        CHECK(as(role, SYS_openat, AT_FDCWD, "/dev/null", O_RDWR) == ended);
    }
    for (auto const role : all_roles()) {
        if (role == ThreadRole::NbdClient) continue; // there is none
        CAPTURE(devices::name_of(role));
        CHECK(with({.servers = false}, role, SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY) == ended);
        CHECK(with({.servers = false}, role, SYS_socket, AF_INET, SOCK_STREAM, 0) == ended);
    }
}

TEST_CASE("Threads make the hypervisor's requests that their roles have", "[jail][seccomp]")
{
    for (auto const request : run) {
        CAPTURE(request);
        CHECK(as(ThreadRole::Vcpu, SYS_ioctl, -1, request, 0) == End{came_through, 0});
        CHECK(as(ThreadRole::Session, SYS_ioctl, -1, request, 0) == End{came_through, 0});
        CHECK(as(ThreadRole::DiskRing, SYS_ioctl, -1, request, 0) == ended);
    }
    for (auto const request : interrupt) {
        CHECK(as(ThreadRole::Vcpu, SYS_ioctl, -1, request, 0) == End{came_through, 0});
        CHECK(as(ThreadRole::DiskRing, SYS_ioctl, -1, request, 0) == End{came_through, 0});
        CHECK(as(ThreadRole::LineWriter, SYS_ioctl, -1, request, 0) == ended);
        CHECK(as(ThreadRole::Tpm, SYS_ioctl, -1, request, 0) == ended);
    }
    for (auto const request : build) {
        CHECK(as(ThreadRole::Session, SYS_ioctl, -1, request, 0) == End{came_through, 0});
        CHECK(as(ThreadRole::Vcpu, SYS_ioctl, -1, request, 0) == ended);
    }
}

TEST_CASE("Any thread says which limit was reached, and changes none", "[jail][seccomp]")
{
    for (auto const role : all_roles()) {
        CAPTURE(devices::name_of(role));
        auto const end = in_child([&] {
            confine(role);
            auto const advice = devices::os_error(EMFILE);
            return advice.find("ulimit -n") == std::string::npos ? refused : came_through;
        });
        CHECK(end == End{came_through, 0});
        ::rlimit const more{1, 1};
        CHECK(as(role, SYS_prlimit64, 0, RLIMIT_NOFILE, &more, nullptr) == ended);
        CHECK(as(role, SYS_prlimit64, 1, RLIMIT_NOFILE, nullptr, nullptr) == ended);
    }
}

TEST_CASE("The first line of a log may be any thread's", "[jail][seccomp]")
{
    auto const path = std::filesystem::temp_directory_path() / ("porthole-log-" + std::to_string(::getpid()));
    auto const end = in_child([&] {
        auto const log = open_log("warning", path.string());
        confine(ThreadRole::Vcpu);
        spdlog::warn("of a guest"); // with the time here, for which the C library reads a file
        return came_through;
    });
    CHECK(end == End{came_through, 0});
    std::filesystem::remove(path);
}

TEST_CASE("A violation names the thread and the call", "[jail][seccomp]")
{
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    auto const end = in_child([&] {
        ::dup2(ends[1], STDERR_FILENO);
        tell_violations();
        devices::begin_thread(ThreadRole::DiskRing);
        forbid_new_privileges();
        load_program(program_of(ThreadRole::DiskRing, requests, {}));
        return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
    });
    ::close(ends[1]);
    std::array<char, 512> text{};
    auto const size = ::read(ends[0], text.data(), text.size());
    ::close(ends[0]);
    CHECK(end == ended);
    REQUIRE(size > 0);
    CHECK(std::string{text.data(), static_cast<std::size_t>(size)} ==
          "porthole: thread 'disk ring' made system call 257 (openat), which its jail does not allow: the process "
          "ends here; see --jail in porthole(1)\n");
}

} // namespace vmm::jail
