#include "vmm/helper/confined_program.hpp"

#include "vmm/jail/load_program.hpp"
#include "vmm/jail/privileges.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <string_view>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace vmm::helper {

namespace {

constexpr int given_fd = 3;

void if_there(std::string const& path, auto rule)
{
    if (::access(path.c_str(), F_OK) == 0) rule(path);
}

/// What the loader and the C library open for any program.
void allow_loading(jail::Landlock& rules, std::string const& program)
{
    rules.allow_execute(program);
    for (auto const* const folder : {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"})
        if_there(folder, [&](auto const& path) { rules.allow_execute(path); });
    if_there("/etc/ld.so.cache", [&](auto const& path) { rules.allow_read(path); });
    for (auto const* const device : {"/dev/null", "/dev/urandom"})
        if_there(device, [&](auto const& path) { rules.allow_device(path); });
}

/// In the child. Standard streams first, then the listener or connection; nothing else stays open.
void place_descriptors(ConfinedProgram const& program)
{
    constexpr int out_of_the_way = 10;
    auto const null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    std::array const wanted{null, program.out < 0 ? null : program.out, program.error < 0 ? null : program.error,
                            program.listener < 0 ? program.connection : program.listener};
    std::array<int, 4> away{};
    for (std::size_t i = 0; i < wanted.size(); ++i)
        away[i] = wanted[i] < 0 ? -1 : ::fcntl(wanted[i], F_DUPFD_CLOEXEC, out_of_the_way);
    std::vector<int> kept;
    for (int fd = 0; fd <= given_fd; ++fd) {
        if (away[static_cast<std::size_t>(fd)] < 0) continue;
        ::dup2(away[static_cast<std::size_t>(fd)], fd);
        kept.push_back(fd);
    }
    jail::close_inherited(kept);
}

void limit_resources(bool looks_only)
{
    constexpr rlim_t most_memory = rlim_t{4} << 30; // a cache for each file of a chain, a stack for each thread
    jail::limit(RLIMIT_AS, most_memory);
    jail::limit(RLIMIT_CORE, 0);
    jail::limit(RLIMIT_MEMLOCK, 0);
    if (!looks_only) return;
    jail::limit(RLIMIT_FSIZE, 0);
    jail::limit(RLIMIT_CPU, 10);
}

[[noreturn]] void execute(ConfinedProgram const& program, jail::Landlock const& rules, pid_t parent)
{
    try {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(EXIT_FAILURE);
        for (auto const signal : {SIGPIPE, SIGCHLD, SIGTERM, SIGINT, SIGHUP})
            ::signal(signal, SIG_DFL);
        if (::chdir(program.folder.c_str()) != 0) ::_exit(EXIT_FAILURE);
        (void)rules.restrict_self(); // while their descriptor is open
        place_descriptors(program);
        std::vector<std::string> words{program.arguments};
        std::vector<std::string> environment{"LC_ALL=C"};
        if (program.listener >= 0) {
            environment.emplace_back("LISTEN_FDS=1");
            environment.push_back("LISTEN_PID=" + std::to_string(::getpid()));
        }
        auto const pointers = [](std::vector<std::string>& strings) {
            std::vector<char*> out;
            for (auto& string : strings)
                out.push_back(string.data());
            out.push_back(nullptr);
            return out;
        };
        auto const argv = pointers(words);
        auto const envp = pointers(environment);
        limit_resources(program.looks_only);
        if (jail::filters_supported()) jail::load_program(program.calls);
        ::execve(program.path.c_str(), argv.data(), envp.data());
    } catch (std::exception const&) { // it has ended, and says nothing
    }
    ::_exit(EXIT_FAILURE);
}

} // namespace

std::unique_ptr<ChildProcess> start_confined(ConfinedProgram const& program, jail::Landlock& rules)
{
    allow_loading(rules, program.path);
    auto const parent = ::getpid();
    auto const child = ::fork();
    if (child < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    if (child == 0) execute(program, rules, parent);
    UniqueFd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, child, 0U))};
    if (pidfd) return std::make_unique<ChildProcess>(std::move(pidfd));
    auto const error = errno;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    throw std::system_error{error, std::generic_category(), "pidfd_open"};
}

std::string find_program(std::string const& name)
{
    auto const* const set = std::getenv("PATH");
    std::string_view rest = set && *set ? set : "/usr/local/bin:/usr/bin:/bin";
    while (!rest.empty()) {
        auto const end = rest.find(':');
        auto const folder = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (!folder.starts_with('/')) continue;
        auto const path = std::string{folder} + "/" + name;
        std::error_code error;
        if (::access(path.c_str(), X_OK) != 0 || !std::filesystem::is_regular_file(path, error)) continue;
        auto const real = std::filesystem::canonical(path, error).string();
        if (!error) return real;
    }
    return {};
}

} // namespace vmm::helper
