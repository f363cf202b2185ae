#include "vmm/cli/testing/porthole.hpp"

#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/wait.h>
#include <unistd.h>

namespace vmm::testing {

namespace {

constexpr unsigned longest_run = 120; ///< seconds; then something is wrong

std::string executable(std::string const& name = "porthole")
{
    auto const path = build_folder() / name;
    INFO("build the target '" << name << "' too");
    REQUIRE(std::filesystem::exists(path));
    return path.string();
}

UniqueFd scratch_file()
{
    std::FILE* const file = std::tmpfile();
    REQUIRE(file != nullptr);
    UniqueFd copy{::dup(::fileno(file))};
    std::fclose(file);
    return copy;
}

std::string content_of(UniqueFd const& file)
{
    std::string text(64 * 1024, '\0');
    auto const size = ::pread(file.get(), text.data(), text.size(), 0);
    REQUIRE(size >= 0);
    text.resize(static_cast<std::size_t>(size));
    return text;
}

/// Starts it in a process whose streams `redirect` has arranged.
template <typename Redirect>
pid_t start_program(std::vector<std::string> arguments, Redirect const& redirect)
{
    std::vector<char*> argv;
    for (auto& argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);

    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        redirect();
        ::alarm(longest_run);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    return child;
}

template <typename Redirect>
pid_t start(std::vector<std::string> arguments, Redirect const& redirect, std::string const& program = "porthole")
{
    arguments.insert(arguments.begin(), executable(program));
    return start_program(std::move(arguments), redirect);
}

int status_of(pid_t child)
{
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

std::filesystem::path build_folder()
{
    return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

Outcome porthole(std::vector<std::string> arguments, Stdout where)
{
    auto const out = scratch_file();
    auto const err = scratch_file();
    auto const child = start(std::move(arguments), [&] {
        ::dup2(out.get(), STDOUT_FILENO);
        ::dup2(err.get(), STDERR_FILENO);
        if (where == Stdout::Closed) ::close(STDOUT_FILENO);
        if (where == Stdout::Full) ::dup2(::open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
    });
    auto const status = status_of(child);
    return {status, content_of(out), content_of(err)};
}

void check_is_one_complaint(Outcome const& outcome, std::string const& about)
{
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, Catch::Matchers::StartsWith("porthole: ") && Contains(about));
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    CHECK(outcome.err.back() == '\n');
}

Outcome shell(std::string const& script)
{
    ::setenv("porthole", executable().c_str(), 1);
    ::setenv("puppet", puppet().c_str(), 1);
    auto const out = scratch_file();
    auto const err = scratch_file();
    std::vector<std::string> words{"/bin/bash", "-c", script};
    auto const child = start_program(std::move(words), [&] {
        ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
        ::dup2(out.get(), STDOUT_FILENO);
        ::dup2(err.get(), STDERR_FILENO);
    });
    auto const status = status_of(child);
    return {status, content_of(out), content_of(err)};
}

Process::Process(std::vector<std::string> const& arguments, How const& how)
{
    Pipe in;
    Pipe out;
    Pipe err;
    if (how.error == Stderr::Stalled) fill(err.writer.get());
    auto const redirect = [&] {
        ::dup2(how.input < 0 ? in.reader.get() : how.input, STDIN_FILENO);
        ::dup2(out.writer.get(), STDOUT_FILENO);
        ::dup2(err.writer.get(), STDERR_FILENO);
        if (how.before) how.before();
    };
    pid_ = start(arguments, redirect, how.program);
    in_ = std::move(in.writer);
    out_ = std::move(out.reader);
    err_ = std::move(err.reader);
}

Process::~Process()
{
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Process::type(std::string const& text) const
{
    put(in_.get(), text);
}

void Process::signal(int number) const
{
    REQUIRE(::kill(pid_, number) == 0);
}

std::string const& Process::await(int fd, std::string& seen, std::string const& text)
{
    while (seen.find(text) == std::string::npos) {
        auto const more = get_some(fd);
        INFO("awaited: " << text << "; came: " << seen);
        REQUIRE_FALSE(more.empty());
        seen += more;
    }
    return seen;
}

Outcome Process::end()
{
    auto const rest = [](UniqueFd const& fd, std::string& seen) {
        while (fd) {
            auto const more = get_some(fd.get());
            if (more.empty()) break;
            seen += more;
        }
    };
    rest(out_, seen_out_); // short enough for standard error to fit its pipe meanwhile
    rest(err_, seen_err_);
    return {status_of(std::exchange(pid_, -1)), seen_out_, seen_err_};
}

Folder::Folder()
{
    auto name = (std::filesystem::temp_directory_path() / "porthole-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

std::string Folder::file(std::string const& name, std::string const& content) const
{
    std::ofstream{path_ / name} << content;
    return path(name);
}

std::string Folder::content(std::string const& name) const
{
    std::ifstream in{path_ / name, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace vmm::testing
