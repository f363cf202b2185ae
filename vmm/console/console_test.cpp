#include "hv/testing/catch.hpp"
#include "vmm/console/console.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/user_error.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/wait.h>
#include <thread>

namespace {

using namespace vmm::testing;
using vmm::Console;
using vmm::SerialTarget;
using vmm::testing::Contains;

struct Directory {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("porthole-console-" + std::to_string(::getpid()));

    Directory() { std::filesystem::create_directories(path); }
    Directory(Directory const&) = delete;
    Directory& operator=(Directory const&) = delete;
    ~Directory() { std::filesystem::remove_all(path); }
};

Console::Callbacks no_callbacks()
{
    return {[](auto bytes) { return bytes.size(); }, [] {}, [](auto&) {}};
}

/// Runs `action` in a process with the given standard input and output; its exit status.
int with_standard_streams(int in, int out, std::function<int()> const& action)
{
    std::fflush(nullptr); // or the new process would write it a second time
    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::dup2(in, STDIN_FILENO);
        ::dup2(out, STDOUT_FILENO);
        ::_exit(action());
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A guest that echoes until the user quits.
int echo()
{
    boost::asio::io_context io;
    auto const work = boost::asio::make_work_guard(io);
    Console* console = nullptr;
    Console own{io,
                {},
                {[&](std::span<std::byte const> bytes) {
                     console->write(bytes);
                     return bytes.size();
                 },
                 [&] { io.stop(); }, [&](auto&) { io.stop(); }}};
    console = &own;
    own.start();
    io.run();
    return own.finish().empty() ? 0 : 2;
}

} // namespace

TEST_CASE("a file is emptied and gets all of the output", "[console]")
{
    Directory const directory;
    auto const path = (directory.path / "serial.txt").string();
    boost::asio::io_context io;
    for (auto const* const text : {"a longer first run\n", "the second"}) {
        Console console{io, {SerialTarget::Kind::File, path}, no_callbacks()};
        console.start();
        console.write(bytes_of(text));
        CHECK(console.finish().empty());
    }
    vmm::UniqueFd const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    CHECK(get(file.get(), 1'000) == "the second");
}

TEST_CASE("a file that cannot be written is the user's to mend", "[console]")
{
    boost::asio::io_context io;
    auto const open = [&] { Console{io, {SerialTarget::Kind::File, "/nonexistent/serial.txt"}, no_callbacks()}; };
    CHECK_THROWS_AS(open(), vmm::UserError);
    CHECK_THROWS_WITH(open(), Contains("/nonexistent/serial.txt") && Contains("No such file"));
}

TEST_CASE("no serial port swallows what is written", "[console]")
{
    boost::asio::io_context io;
    Console console{io, {SerialTarget::Kind::None, {}}, no_callbacks()};
    console.start();
    console.write(bytes_of("nobody\n"));
    console.resume();
    console.stop();
    CHECK(console.finish().empty());
    CHECK_FALSE(console.is_interactive());
}

TEST_CASE("standard input and output are the console, whatever they are", "[console]")
{
    Pipe in;
    Pipe out;
    auto const file = temporary_file("from a file\x01x");
    put(in.writer.get(), "from a pipe\x01x");

    CHECK(with_standard_streams(in.reader.get(), out.writer.get(), echo) == 0);
    CHECK(get_some(out.reader.get()) == "from a pipe");
    CHECK(with_standard_streams(file.get(), out.writer.get(), echo) == 0);
    CHECK(get_some(out.reader.get()) == "from a file");
}

TEST_CASE("a terminal on only one side is fine", "[console]")
{
    Pty pty;
    Pipe pipe;
    auto const before = pty.modes();

    put(pipe.writer.get(), "to the terminal\x01x");
    CHECK(with_standard_streams(pipe.reader.get(), pty.slave.get(), echo) == 0);
    CHECK(get(pty.master.get(), 15) == "to the terminal");

    std::thread user{[&] {
        while (!pty.is_raw())
            std::this_thread::yield();
        put(pty.master.get(), "typed\x01x");
    }};
    CHECK(with_standard_streams(pty.slave.get(), pipe.writer.get(), echo) == 0);
    user.join();
    CHECK(get_some(pipe.reader.get()) == "typed");
    CHECK(pty.modes() == before);
}

TEST_CASE("the help is on the terminal when it is asked for", "[console]")
{
    Pipe in;
    Pipe out;
    put(in.writer.get(), "\x01h\x01x");
    CHECK(with_standard_streams(in.reader.get(), out.writer.get(), echo) == 0);
    CHECK_THAT(get_some(out.reader.get()), Contains("Ctrl-A x"));
}

TEST_CASE("a standard output that cannot be written to is refused", "[console]")
{
    vmm::UniqueFd const null{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; // what a closed one is replaced by
    auto const status = with_standard_streams(null.get(), null.get(), [] {
        try {
            return echo();
        } catch (vmm::UserError const& e) {
            return std::string{e.what()}.starts_with("standard output is closed") ? 42 : 1;
        }
    });
    CHECK(status == 42);
}
