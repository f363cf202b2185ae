// What a user sees of the real executable: exit status, standard output, standard error.
#include "hv/testing/catch.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/host/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/wait.h>
#include <vector>

namespace {

using Catch::Matchers::StartsWith;
using vmm::UniqueFd;
using vmm::testing::Contains;

struct Outcome {
    int status;
    std::string out;
    std::string err;
};

enum class Stdout { Captured, Closed, Full };

/// Both executables are built into one directory.
std::string executable()
{
    auto const path = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "porthole";
    INFO("build the target 'porthole' too");
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

std::string content(UniqueFd const& file)
{
    std::string text(64 * 1024, '\0');
    auto const size = ::pread(file.get(), text.data(), text.size(), 0);
    REQUIRE(size >= 0);
    text.resize(static_cast<std::size_t>(size));
    return text;
}

Outcome porthole(std::vector<std::string> arguments, Stdout where = Stdout::Captured)
{
    arguments.insert(arguments.begin(), executable());
    std::vector<char*> argv;
    for (auto& argument : arguments)
        argv.push_back(argument.data());
    argv.push_back(nullptr);

    auto const out = scratch_file();
    auto const err = scratch_file();
    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::dup2(out.get(), STDOUT_FILENO);
        ::dup2(err.get(), STDERR_FILENO);
        if (where == Stdout::Closed) ::close(STDOUT_FILENO);
        if (where == Stdout::Full) ::dup2(::open("/dev/full", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content(out), content(err)};
}

void check_is_one_complaint(Outcome const& outcome, std::string const& about)
{
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, StartsWith("porthole: ") && Contains(about));
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    CHECK(outcome.err.back() == '\n');
}

} // namespace

TEST_CASE("the executable says its version and explains itself", "[binary]")
{
    auto const version = porthole({"--version"});
    CHECK(version.status == 0);
    CHECK(version.out == "porthole " PORTHOLE_VERSION "\n");
    CHECK(version.err.empty());

    auto const help = porthole({"run", "--help"});
    CHECK(help.status == 0);
    CHECK_THAT(help.out, Contains("--hv-features") && Contains("vp-runtime") && Contains("access-partition-id"));
}

TEST_CASE("a usage error is one line on standard error, and status 2", "[binary]")
{
    check_is_one_complaint(porthole({}), "porthole --help");
    check_is_one_complaint(porthole({"run"}), "--kernel is missing");
    check_is_one_complaint(porthole({"fly"}), "'fly'");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--fly"}), "--fly");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--memory", "lots"}), "'lots'");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--memory", "4M"}), "16M");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--memory", "16000000T"}), "--memory");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--cpus", "0"}), "--cpus");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--cpus", "255"}), "1 to 254");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--cpus"}), "--cpus needs a value");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--test-devices=x\ny"}), "--test-devices");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--privileges", "all"}), "'all'");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--hv-features", "-all"}), "'all'");
}

TEST_CASE("a standard output that takes nothing is an error of its own", "[binary]")
{
    for (auto const where : {Stdout::Closed, Stdout::Full}) {
        check_is_one_complaint(porthole({"--version"}, where), "standard output");
        check_is_one_complaint(porthole({"doctor"}, where), "standard output");
    }
}

TEST_CASE("doctor ends with a line that scripts can read, and a status that agrees with it", "[binary]")
{
    auto const doctor = porthole({"doctor"});
    CHECK(doctor.err.empty());
    REQUIRE(doctor.out.ends_with('\n'));
    auto const last = doctor.out.substr(doctor.out.rfind('\n', doctor.out.size() - 2) + 1);
    CHECK_THAT(last, StartsWith("can run: "));
    CHECK(doctor.status == (last.starts_with("can run: nothing") ? 2 : 0));
}
