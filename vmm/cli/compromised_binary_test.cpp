// Threads of the real program that a guest has taken over, played by porthole_compromised: what they try while their
// guest runs.
#include "devices/block/testing/nbd_server.hpp"
#include "devices/net/testing/tap_host.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/host/unique_fd.hpp"
#include "vmm/host/unix_listener.hpp"
#include "vmm/jail/landlock.hpp"
#include "vmm/jail/testing/forbidden_calls.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace vmm::testing;
using vmm::jail::Landlock;
using vmm::jail::testing::Forbidden;
using vmm::jail::testing::Order;

using Arguments = std::vector<std::string>;

constexpr int violation = 2;

/// The call that ends the process, in the order of Forbidden.
constexpr std::array names{"openat",           "socket", "execve",     "ptrace",
                           "process_vm_readv", "openat", "pidfd_open", "mmap"};
static_assert(names.size() == vmm::jail::testing::forbidden_calls);

Arguments run(Arguments const& more)
{
    Arguments all{"run",       "--kernel",
                  puppet(),    "--memory",
                  "16M",       "--test-devices",
                  "--cmdline", "say:up await-power-button power-off",
                  "--jail",    "on"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

std::string thread_name(pid_t process, pid_t thread)
{
    std::ifstream file{"/proc/" + std::to_string(process) + "/task/" + std::to_string(thread) + "/comm"};
    std::string found;
    std::getline(file, found);
    return found;
}

/// One of its threads. An empty name is for the first, which has that of the program.
std::optional<pid_t> thread_of(pid_t process, std::string const& name)
{
    if (name.empty()) return process;
    for (auto const& task : std::filesystem::directory_iterator{"/proc/" + std::to_string(process) + "/task"}) {
        auto const thread = std::stoi(task.path().filename().string());
        if (thread_name(process, thread) == name) return thread;
    }
    return {};
}

/// A process that it has started, by its name.
std::optional<pid_t> child_of(pid_t process, std::string const& name)
{
    auto const tasks = "/proc/" + std::to_string(process) + "/task/" + std::to_string(process) + "/children";
    std::ifstream children{tasks};
    for (pid_t child = 0; children >> child;)
        if (thread_name(child, child) == name) return child;
    return {};
}

class Compromised {
  public:
    explicit Compromised(Arguments const& more, int input = -1)
        : process{run(more), {.program = "porthole_compromised", .input = input}}
    {
        process.await_output("up\n");
    }

    /// How the process ends when this thread makes that call.
    Outcome obeys(std::string const& thread, Order order)
    {
        send(thread, Order::signal, order.value());
        return process.end();
    }
    void send(std::string const& thread, int signal, sigval value = {}) const
    {
        std::optional<pid_t> found;
        while (!found) // one that opens begins with its work
            found = thread_of(process.pid(), thread);
        queue(process.pid(), *found, signal, value);
    }
    /// A helper process makes that call, and has ended.
    void has_helper_obey(std::string const& helper, Order order) const
    {
        std::optional<pid_t> found;
        while (!found) // it has its name when it has begun
            found = child_of(process.pid(), helper);
        vmm::UniqueFd const ends{static_cast<int>(::syscall(SYS_pidfd_open, *found, 0U))};
        REQUIRE(ends);
        queue(*found, *found, Order::signal, order.value());
        pollfd polled{ends.get(), POLLIN, 0};
        REQUIRE(::poll(&polled, 1, -1) == 1);
    }

    Process process;

  private:
    static void queue(pid_t to, pid_t thread, int signal, sigval value)
    {
        siginfo_t info{};
        info.si_code = SI_QUEUE;
        info.si_value = value;
        REQUIRE(::syscall(SYS_rt_tgsigqueueinfo, to, thread, signal, &info) == 0);
    }
};

/// What is not to be reached: a file, and the run of another guest.
class Others {
  public:
    Others() : guest_{run({})}
    {
        ::setenv("PORTHOLE_SECRET", folder_.file("secret", "of somebody else").c_str(), 1);
        guest_.await_output("up\n");
    }
    [[nodiscard]] Order order(Forbidden call) const { return {call, guest_.pid()}; }

  private:
    Folder folder_;
    Process guest_;
};

using Calls = std::vector<Forbidden>;

bool has(Calls const& calls, Forbidden call)
{
    return std::find(calls.begin(), calls.end(), call) != calls.end();
}

/// Each call ends the process, but those that may come as far as landlock, which refuses them, and those that are the
/// thread's work. `begin` has the thread begin.
void check_gets_nothing(Others const& others, std::string const& thread, Arguments const& more,
                        Calls const& refused = {}, Calls const& work = {},
                        std::function<std::unique_ptr<Process>()> const& begin = nullptr)
{
    for (unsigned i = 0; i < vmm::jail::testing::forbidden_calls; ++i) {
        auto const call = static_cast<Forbidden>(i);
        bool const may = has(refused, call);
        if (has(work, call)) continue;
        if (may && Landlock::version() < (call == Forbidden::Connect ? Landlock::knows_tcp : 1)) continue;
        CAPTURE(thread, names.at(i));
        Compromised compromised{more};
        auto const client = begin ? begin() : nullptr;
        auto const end = compromised.obeys(thread, others.order(call));
        CAPTURE(end.err);
        if (may && end.status == vmm::jail::testing::was_refused) continue;
        CHECK(end.status == violation);
        auto const who = thread.empty() ? "porthole_compro" : thread;
        CHECK_THAT(end.err, Contains("porthole: thread '" + who + "' made system call "));
        CHECK_THAT(end.err, Contains(std::string{" ("} + names.at(i) + "), which its jail does not allow"));
    }
}

/// The same for a process of Porthole's, which alone ends; its run says how. `ask` has Porthole notice.
void check_helper_gets_nothing(Others const& others, std::string const& helper, Arguments const& more,
                               Calls const& refused, Calls const& work, std::function<void()> const& ask)
{
    for (unsigned i = 0; i < vmm::jail::testing::forbidden_calls; ++i) {
        auto const call = static_cast<Forbidden>(i);
        bool const may = has(refused, call);
        if (has(work, call) || (may && Landlock::version() < 1)) continue;
        CAPTURE(helper, names.at(i));
        Compromised compromised{more};
        compromised.has_helper_obey(helper, others.order(call));
        ask();
        auto const how = may ? "has ended with status " + std::to_string(vmm::jail::testing::was_refused)
                             : "was ended by signal " + std::to_string(SIGSYS);
        compromised.process.await_error(how);
        compromised.process.signal(SIGTERM);
        CHECK(compromised.process.end().status == 0); // the guest has gone on
    }
}

} // namespace

TEST_CASE("what plays a compromised thread does what it is told where there is no jail", "[binary][jail]")
{
    if (!can_run()) return;
    Others const others;
    for (auto const call : {Forbidden::OpenFile, Forbidden::Connect, Forbidden::MapCode})
        CHECK(Compromised{{"--jail", "off"}}.obeys("vcpu0", others.order(call)).status ==
              vmm::jail::testing::came_through);
    CHECK(Compromised{{"--jail", "off"}}.obeys("events", others.order(Forbidden::Execute)).status == 0); // true(1)
}

TEST_CASE("a compromised thread of a run opens, reaches, executes and reads nothing", "[binary][jail]")
{
    if (!can_run()) return;
    Folder const folder;
    Others const others;
    check_gets_nothing(others, "vcpu0", {});
    check_gets_nothing(others, "events", {});
    check_gets_nothing(others, "lines", {});
    check_gets_nothing(others, "disk ring", {"--disk", folder.file("disk", std::string(4096, '\0'))});
    check_gets_nothing(others, "user network", {"--net", "user"});
    check_gets_nothing(others, "socket relay", {"--vsock", folder.path("vsock")});
    check_gets_nothing(others, "", {}, {Forbidden::OpenFile, Forbidden::OpenMemory, Forbidden::Connect});
}

TEST_CASE("a compromised NBD client reaches servers, and nothing else", "[binary][jail][nbd]")
{
    if (!can_run()) return;
    Others const others;
    devices::block::testing::NbdServer const server{devices::block::testing::socket_path(), {"memory", "1M"}};
    // Servers are connected to.
    check_gets_nothing(others, "nbd", {"--disk", devices::block::testing::uri()},
                       {Forbidden::OpenFile, Forbidden::OpenMemory}, {Forbidden::Connect});
}

TEST_CASE("a compromised thread that opens disks opens those of its guest alone", "[binary][jail]")
{
    if (!can_run()) return;
    Folder const folder;
    Others const others;
    vmm::UnixListener const silent{"server", folder.path("server")}; // a connection to it waits for an answer
    auto const control = folder.path("control");
    check_gets_nothing(others, "opener", {"--control", control, "--allow", "nbd"},
                       {Forbidden::OpenFile, Forbidden::OpenMemory}, {Forbidden::Connect}, [&] {
                           return std::make_unique<Process>(
                               Arguments{"ctl", control, "disk-add", "nbd+unix:///?socket=" + folder.path("server")});
                       });
}

TEST_CASE("a compromised process that opens files opens none of somebody else", "[binary][jail][files]")
{
    if (!can_run()) return;
    Folder const folder;
    Others const others;
    auto const control = folder.path("control");
    auto const disk = folder.file("disk", std::string(4096, '\0'));
    check_helper_gets_nothing(others, "porthole-files", {"--control", control, "--allow", folder.path("")},
                              {Forbidden::OpenFile, Forbidden::OpenMemory}, {}, [&] {
                                  auto const answer = vmm::testing::porthole({"ctl", control, "disk-add", disk});
                                  CHECK(answer.status != 0);
                              });
}

TEST_CASE("a compromised user-mode network reaches what its user can, and nothing else", "[binary][jail][user]")
{
    if (!can_run()) return;
    Others const others;
    check_helper_gets_nothing(others, "porthole-net", {"--net", "user"}, {Forbidden::OpenFile, Forbidden::OpenMemory},
                              {Forbidden::Connect}, [] {});
}

TEST_CASE("a compromised thread of a tap gets nothing", "[binary][jail][tap]")
{
    if (!can_run()) return;
    devices::net::testing::in_namespace([](auto& space) {
        space.release();
        Others const others;
        check_gets_nothing(others, "tap", {"--net", "tap=ptap0"});
    });
}

TEST_CASE("a violation gives the terminal back", "[binary][jail][terminal]")
{
    if (!can_run()) return;
    Others const others;
    for (auto const* const thread : {"vcpu0", "events", "lines"}) {
        CAPTURE(thread);
        Pty const pty;
        auto const before = pty.modes();
        Compromised compromised{{}, pty.slave.get()};
        CHECK(pty.is_raw());
        CHECK(compromised.obeys(thread, others.order(Forbidden::Execute)).status == violation);
        CHECK(pty.modes() == before);
    }
}

TEST_CASE("a crash in the jail is a crash, and gives the terminal back", "[binary][jail][terminal]")
{
    if (!can_run()) return;
    Pty const pty;
    auto const before = pty.modes();
    Compromised crashing{{}, pty.slave.get()};
    crashing.send("vcpu0", SIGABRT);
    auto const end = crashing.process.end();
    CHECK(end.status == -1); // by the signal
    CHECK_THAT(end.err, !Contains("which its jail does not allow"));
    CHECK(pty.modes() == before);
}
