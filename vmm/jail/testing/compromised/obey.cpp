// What makes porthole_compromised of Porthole's own objects: each of its threads takes a signal that tells it what to
// do, as one that a guest has taken over would be told. Linked with --wrap=pthread_sigmask.
#include "vmm/jail/testing/forbidden_calls.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

extern "C" int __real_pthread_sigmask(int how, sigset_t const* set, sigset_t* before); // NOLINT: the linker's name

/// No thread blocks the signal.
extern "C" int __wrap_pthread_sigmask(int how, sigset_t const* set, sigset_t* before) // NOLINT: the linker's name
{
    if (!set || how == SIG_UNBLOCK) return __real_pthread_sigmask(how, set, before);
    auto mask = *set;
    sigdelset(&mask, vmm::jail::testing::Order::signal);
    return __real_pthread_sigmask(how, &mask, before);
}

namespace {

using namespace vmm::jail::testing;

long connect_to_this_host()
{
    auto const stream = ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    if (stream < 0) return stream;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(1);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::syscall(SYS_connect, stream, &address, sizeof address);
}

long read_memory_of(pid_t other)
{
    char byte = 0;
    iovec const here{&byte, 1};
    iovec const there{&byte, 1};
    return ::syscall(SYS_process_vm_readv, other, &here, 1, &there, 1, 0);
}

/// /proc/PID/mem, put together without allocating.
long open_memory_of(pid_t other)
{
    char path[32] = "/proc/";
    auto* at = path + 6;
    for (int unit = 1'000'000'000; unit != 0; unit /= 10)
        if (other >= unit) *at++ = static_cast<char>('0' + other / unit % 10);
    for (char const* rest = "/mem"; *rest; ++rest)
        *at++ = *rest;
    return ::syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
}

long take_descriptor_of(pid_t other)
{
    auto const process = ::syscall(SYS_pidfd_open, other, 0);
    if (process < 0) return process;
    return ::syscall(SYS_pidfd_getfd, process, 0, 0);
}

long make(Order order)
{
    char* const none[] = {nullptr};
    switch (order.call) {
    case Forbidden::OpenFile: return ::syscall(SYS_openat, AT_FDCWD, std::getenv("PORTHOLE_SECRET"), O_RDONLY);
    case Forbidden::Connect: return connect_to_this_host();
    case Forbidden::Execute: return ::syscall(SYS_execve, "/bin/true", none, none);
    case Forbidden::Trace: return ::syscall(SYS_ptrace, PTRACE_SEIZE, order.other, 0, 0);
    case Forbidden::ReadMemory: return read_memory_of(order.other);
    case Forbidden::OpenMemory: return open_memory_of(order.other);
    case Forbidden::TakeDescriptor: return take_descriptor_of(order.other);
    case Forbidden::MapCode:
        return ::syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    return 0;
}

void obey(int, siginfo_t* info, void*)
{
    bool const refused = make(Order::of(info->si_value)) < 0 && (errno == EACCES || errno == EPERM);
    ::_exit(refused ? was_refused : came_through);
}

[[maybe_unused]] bool const listens = [] {
    struct sigaction action {};
    action.sa_sigaction = obey;
    action.sa_flags = SA_SIGINFO;
    return ::sigaction(Order::signal, &action, nullptr) == 0;
}();

} // namespace
