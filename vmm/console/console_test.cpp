#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/console/console.hpp"
#include "vmm/console/testing/reactor.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <future>
#include <sys/wait.h>
#include <thread>

namespace {

using namespace vmm::testing;
using vmm::Console;
using vmm::SerialTarget;
using vmm::StandardOutput;
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
    StandardOutput standard_output{io};
    Console own{io,
                standard_output,
                {},
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
        StandardOutput standard_output{io};
        Console console{io, standard_output, {SerialTarget::Kind::File, path}, {}, no_callbacks()};
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
    StandardOutput standard_output{io};
    auto const open = [&] {
        Console{io, standard_output, {SerialTarget::Kind::File, "/nonexistent/serial.txt"}, {}, no_callbacks()};
    };
    CHECK_THROWS_AS(open(), vmm::UserError);
    CHECK_THROWS_WITH(open(), Contains("/nonexistent/serial.txt") && Contains("No such file"));
}

TEST_CASE("no serial port swallows what is written", "[console]")
{
    boost::asio::io_context io;
    StandardOutput standard_output{io};
    Console console{io, standard_output, {SerialTarget::Kind::None, {}}, {}, no_callbacks()};
    console.start();
    console.write(bytes_of("nobody\n"));
    console.resume();
    console.stop();
    CHECK(console.finish().empty());
    CHECK_FALSE(console.is_interactive());
}

TEST_CASE("lines go to standard output with their guest's name, and nothing comes in", "[console]")
{
    Pipe in;
    Pipe out;
    put(in.writer.get(), "for nobody\x01x");
    auto const guests = [] {
        boost::asio::io_context io;
        StandardOutput standard_output{io};
        auto const lines = SerialTarget{SerialTarget::Kind::Lines, {}};
        Console web{io, standard_output, lines, "web", no_callbacks()};
        Console db{io, standard_output, lines, "db", no_callbacks()};
        for (auto* const console : {&web, &db})
            console->start();
        web.write(bytes_of("up and "));
        db.write(bytes_of("ready\r\n"));
        web.write(bytes_of("running\n"));
        db.write(bytes_of("last words"));
        db.stop();
        db.end_line();
        io.poll();
        return web.finish().empty() && db.finish().empty() ? 0 : 2;
    };
    CHECK(with_standard_streams(in.reader.get(), out.writer.get(), guests) == 0);
    CHECK(get_some(out.reader.get()) == "db| ready\nweb| up and running\ndb| last words\n");
    CHECK(readable(in.reader.get()) == 12);
}

TEST_CASE("a pseudo terminal passes everything on, both ways", "[console]")
{
    Reactor reactor;
    StandardOutput standard_output{reactor.io};
    std::promise<std::string> received;
    std::string got;
    Console console{reactor.io,
                    standard_output,
                    {SerialTarget::Kind::Pty, {}},
                    "a",
                    {[&](std::span<std::byte const> bytes) {
                         got.append(reinterpret_cast<char const*>(bytes.data()), bytes.size());
                         if (got.ends_with('.')) received.set_value(got);
                         return bytes.size();
                     },
                     [] { FAIL_CHECK("quit"); }, [](auto& why) { FAIL_CHECK(why); }}};
    console.start();
    CHECK_FALSE(console.is_interactive());

    std::string const output = "line\r\n\x04\x03\xFF end\n";
    std::string const input = "typed\x01x\x03\r.";
    for (int user = 0; user < 2; ++user) { // they come and go
        vmm::UniqueFd const terminal{::open(console.pty_path().c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC)};
        REQUIRE(terminal);
        console.write(bytes_of(output));
        CHECK(get(terminal.get(), output.size()) == output);
        put(terminal.get(), input);
        CHECK(received.get_future().get() == input);
        received = {};
        got.clear();
    }
    reactor.stop();
}

TEST_CASE("a pseudo terminal that nobody opens stops nobody", "[console]")
{
    Reactor reactor;
    StandardOutput standard_output{reactor.io};
    Console console{reactor.io, standard_output, {SerialTarget::Kind::Pty, {}}, "a", no_callbacks()};
    console.start();
    for (int i = 0; i < 1000; ++i)
        console.write(bytes_of(std::string(4095, 'x') + "\n")); // four times what is kept
    reactor.stop();
    CHECK(console.finish().empty());
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
