#include "hv/testing/catch.hpp"
#include "vmm/console/output.hpp"
#include "vmm/console/testing/reactor.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"

#include <array>
#include <fcntl.h>
#include <sys/socket.h>
#include <thread>

namespace {

using namespace std::chrono_literals;
using namespace vmm::testing;
using vmm::ConsoleDescriptor;
using vmm::ConsoleOutput;
using vmm::testing::Contains;

void nobody_lost(std::string const& message)
{
    FAIL_CHECK(message);
}

std::string numbered_lines(std::size_t count)
{
    std::string text;
    for (std::size_t i = 0; i < count; ++i)
        text += "line " + std::to_string(i) + "\n";
    return text;
}

} // namespace

TEST_CASE("a complete line is written at once, by the thread that completes it", "[console]")
{
    Pipe pipe;
    boost::asio::io_context io; // never runs
    ConsoleOutput output{io, ConsoleDescriptor::copy_of(pipe.writer.get()), nobody_lost};

    output.write(bytes_of("hel"));
    output.write(bytes_of("lo"));
    CHECK(readable(pipe.reader.get()) == 0);
    output.write(bytes_of("\n"));
    CHECK(get_some(pipe.reader.get()) == "hello\n");
}

TEST_CASE("a part of a line is written soon, without a line's end", "[console]")
{
    Pipe pipe;
    boost::asio::io_context io;
    ConsoleOutput output{io, ConsoleDescriptor::copy_of(pipe.writer.get()), nobody_lost};

    output.write(bytes_of("login: "));
    CHECK(readable(pipe.reader.get()) == 0);
    io.run(); // until the timer has done its work
    CHECK(readable(pipe.reader.get()) == 7);
}

TEST_CASE("writing out what is left can be cut short, however patient it is", "[console]")
{
    Pipe pipe;
    fill(pipe.writer.get());
    boost::asio::io_context io;
    ConsoleOutput output{io, ConsoleDescriptor::copy_of(pipe.writer.get()), nobody_lost, {.patience = 1h}};
    output.write(bytes_of("never read\n"));
    std::jthread const user{[&] { output.abandon(); }};
    output.finish();
    CHECK(output.dropped() == 11);
}

TEST_CASE("a reader that goes away is noticed before anything is written", "[console]")
{
    Pipe pipe;
    boost::asio::io_context io;
    std::vector<std::string> said;
    ConsoleOutput output{io, ConsoleDescriptor::copy_of(pipe.writer.get()),
                         [&](auto const& why) { said.push_back(why); }};
    output.watch_reader();
    output.watch_reader(); // as several guests do that share one
    output.write(bytes_of("hello\n"));
    io.poll();
    CHECK(said.empty());
    pipe.reader.reset();
    io.restart();
    io.run(); // returns: nothing is left to be watched
    REQUIRE(said.size() == 1);
    CHECK_THAT(said.front(), Contains("has no reader any more"));
    CHECK_FALSE(output.failure().empty());
}

TEST_CASE("much without a line's end is written in large pieces", "[console]")
{
    Pipe pipe;
    boost::asio::io_context io;
    ConsoleOutput output{io, ConsoleDescriptor::copy_of(pipe.writer.get()), nobody_lost, {.flush_at = 64}};

    for (int i = 0; i < 100; ++i)
        output.write(bytes_of("x"));
    CHECK(readable(pipe.reader.get()) == 64);
    output.finish();
    CHECK(readable(pipe.reader.get()) == 100);
}

TEST_CASE("what is left is written at the end", "[console]")
{
    auto const file = temporary_file();
    boost::asio::io_context io;
    {
        ConsoleOutput output{io, ConsoleDescriptor::copy_of(file.get()), nobody_lost};
        output.write(bytes_of("bye"));
    }
    ::lseek(file.get(), 0, SEEK_SET);
    CHECK(get(file.get(), 100) == "bye");
}

TEST_CASE("a reader that lags behind loses nothing", "[console]")
{
    auto const text = numbered_lines(50'000); // several times what the pipe and the buffer hold
    Pipe pipe;
    std::string got;
    std::thread reader{[&] { got = get(pipe.reader.get(), text.size()); }};
    {
        Reactor reactor;
        ConsoleOutput output{reactor.io,
                             ConsoleDescriptor::copy_of(pipe.writer.get()),
                             nobody_lost,
                             {.capacity = 8192, .patience = 60s}};
        for (std::size_t i = 0; i < text.size(); i += 7)
            output.write(bytes_of(std::string_view{text}.substr(i, 7)));
        output.finish();
        CHECK(output.dropped() == 0);
        reactor.stop();
    }
    reader.join();
    CHECK(got == text);
}

TEST_CASE("writers on several threads do not mix up their lines", "[console]")
{
    constexpr int writers = 4;
    constexpr int lines = 2'000;
    Pipe pipe;
    std::string got;
    std::thread reader{[&] { got = get(pipe.reader.get(), writers * lines * 6); }};
    {
        Reactor reactor;
        ConsoleOutput output{reactor.io,
                             ConsoleDescriptor::copy_of(pipe.writer.get()),
                             nobody_lost,
                             {.capacity = 8192, .patience = 60s}};
        std::vector<std::thread> threads;
        for (char name = 'a'; name < 'a' + writers; ++name) {
            threads.emplace_back([&output, name] {
                for (int i = 0; i < lines; ++i)
                    output.write(bytes_of(std::string(5, name) + "\n"));
            });
        }
        for (auto& thread : threads)
            thread.join();
        output.finish();
        reactor.stop();
    }
    reader.join();
    REQUIRE(got.size() == writers * lines * 6);
    for (std::size_t i = 0; i < got.size(); i += 6)
        REQUIRE(got.substr(i, 6) == std::string(5, got[i]) + "\n");
}

TEST_CASE("a reader that stands still stops nobody for long, and output goes on when it moves again", "[console]")
{
    Pipe pipe;
    Reactor reactor;
    ConsoleOutput output{
        reactor.io, ConsoleDescriptor::copy_of(pipe.writer.get()), nobody_lost, {.capacity = 8192, .patience = 10ms}};

    output.write(bytes_of(std::string(1 << 20, 'x'))); // returns though nobody reads
    auto const dropped = output.dropped();
    CHECK(dropped > 0);

    constexpr std::string_view last = "back\n";
    auto const kept = (std::size_t{1} << 20) - dropped;
    auto got = get(pipe.reader.get(), kept); // the io_context empties the buffer meanwhile
    output.write(bytes_of(last));
    got += get(pipe.reader.get(), last.size());
    CHECK(got == std::string(kept, 'x') + std::string{last});
    CHECK(output.dropped() == dropped);
    reactor.stop();
}

TEST_CASE("a writer that waits for room is let go when the run ends", "[console]")
{
    Pipe pipe;
    Reactor reactor;
    ConsoleOutput output{
        reactor.io, ConsoleDescriptor::copy_of(pipe.writer.get()), [](auto&) {}, {.capacity = 8192, .patience = 1h}};
    std::thread vcpu{[&] { output.write(bytes_of(std::string(1 << 20, 'x'))); }};
    while (readable(pipe.reader.get()) < 65536) // the pipe is full: the writer waits, or soon will
        std::this_thread::yield();
    output.stop_waiting();
    vcpu.join();
    CHECK(output.dropped() > 0);
    pipe.reader.reset(); // so that the end has nobody to wait for
    reactor.stop();
}

TEST_CASE("a pipe without a reader is reported once", "[console]")
{
    Pipe pipe;
    boost::asio::io_context io;
    std::vector<std::string> reports;
    ConsoleOutput output{io, ConsoleDescriptor::copy_of(pipe.writer.get()),
                         [&](std::string const& message) { reports.push_back(message); }};
    CHECK(output.failure().empty());
    pipe.reader.reset();
    for (int i = 0; i < 3; ++i)
        output.write(bytes_of("hello\n"));
    io.run();
    REQUIRE(reports.size() == 1);
    CHECK_THAT(reports[0], Contains("no reader"));
    CHECK(output.failure() == reports[0]);
}

TEST_CASE("a full disk is reported, also at the very end", "[console]")
{
    vmm::UniqueFd const full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
    REQUIRE(full);
    boost::asio::io_context io;
    ConsoleOutput output{io, ConsoleDescriptor::copy_of(full.get()), [](auto&) {}};
    output.write(bytes_of("no line's end"));
    output.finish();
    CHECK_THAT(output.failure(), Contains("No space left"));
}

TEST_CASE("the flags of a shared descriptor stay as they were", "[console]")
{
    Pipe pipe;
    std::array<int, 2> sockets{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) == 0);
    vmm::UniqueFd const socket{sockets[0]};
    vmm::UniqueFd const peer{sockets[1]};
    {
        boost::asio::io_context io;
        ConsoleOutput to_pipe{io, ConsoleDescriptor::copy_of(pipe.writer.get()), nobody_lost};
        ConsoleOutput to_socket{io, ConsoleDescriptor::copy_of(socket.get()), nobody_lost};
        to_pipe.write(bytes_of("a"));
        to_socket.write(bytes_of("b"));
        io.run();
        CHECK_FALSE(is_nonblocking(pipe.writer.get()));
    }
    CHECK_FALSE(is_nonblocking(socket.get()));
    CHECK(get_some(peer.get()) == "b");
}
