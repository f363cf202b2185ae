#include "hv/testing/catch.hpp"
#include "vmm/console/input.hpp"
#include "vmm/console/testing/streams.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <fcntl.h>
#include <functional>
#include <mutex>
#include <thread>

namespace {

using namespace vmm::testing;
using vmm::ConsoleCommand;
using vmm::ConsoleDescriptor;

/// A serial port that takes as much as it has room for.
struct Guest {
    std::mutex mutex;
    std::string got;
    std::size_t room = ~std::size_t{0};

    std::size_t receive(std::span<std::byte const> bytes)
    {
        std::lock_guard const lock{mutex};
        auto const count = std::min(room, bytes.size());
        for (auto const byte : bytes.first(count))
            got += static_cast<char>(byte);
        room -= count;
        return count;
    }
};

struct Fixture {
    boost::asio::io_context io;
    Guest guest;
    std::vector<ConsoleCommand> commands;
    vmm::Terminal terminal;
    vmm::ConsoleInput input;

    explicit Fixture(int fd)
        : terminal{fd},
          input{io, ConsoleDescriptor::copy_of(fd), terminal,
                [this](std::span<std::byte const> bytes) { return guest.receive(bytes); },
                [this](ConsoleCommand command) { commands.push_back(command); }}
    {
        input.start();
    }

    /// Runs until there is nothing to do but to wait.
    void settle()
    {
        io.restart();
        while (io.poll() > 0)
            continue;
    }

    /// Runs until `done`; a test that never gets there is ended by its own time limit.
    void run_until(std::function<bool()> const& done)
    {
        auto const work = boost::asio::make_work_guard(io);
        io.restart();
        while (!done())
            REQUIRE(io.run_one_for(std::chrono::seconds{10}) == 1);
    }
};

} // namespace

TEST_CASE("a pipe's bytes reach the guest, and its end stops nothing else", "[console]")
{
    Pipe pipe;
    Fixture host{pipe.reader.get()};
    put(pipe.writer.get(), "root\n");
    pipe.writer.reset();
    host.io.run(); // returns: after the end nothing is awaited
    CHECK(host.guest.got == "root\n");
    CHECK_FALSE(is_nonblocking(pipe.reader.get()));
}

TEST_CASE("a regular file is input, to its end", "[console]")
{
    std::string const text(10'000, 'f');
    auto const file = temporary_file(text);
    Fixture host{file.get()};
    host.io.run();
    CHECK(host.guest.got == text);
}

TEST_CASE("an empty input is no input", "[console]")
{
    vmm::UniqueFd const null{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    Fixture host{null.get()};
    host.io.run();
    CHECK(host.guest.got.empty());
    CHECK(host.commands.empty());
}

TEST_CASE("a full guest stops the reading, and goes on where it stopped", "[console]")
{
    std::string text;
    for (int i = 0; i < 3'000; ++i)
        text += std::to_string(i) + " ";
    Pipe pipe;
    Fixture host{pipe.reader.get()};
    host.guest.room = 16;
    put(pipe.writer.get(), text);
    pipe.writer.reset();

    host.run_until([&] { return host.guest.room == 0; });
    host.settle();
    CHECK(readable(pipe.reader.get()) > 0);
    CHECK(host.guest.got == text.substr(0, 16));

    while (host.guest.got.size() < text.size()) {
        host.guest.room = 16;
        host.input.resume();
        host.run_until([&] { return host.guest.room == 0 || host.guest.got.size() == text.size(); });
    }
    CHECK(host.guest.got == text);
    host.io.run(); // returns: the end was seen
}

TEST_CASE("no wake-up is lost when the guest makes room on another thread", "[console]")
{
    std::string const text(60'000, 'w');
    Pipe pipe;
    Fixture host{pipe.reader.get()};
    host.guest.room = 1;
    put(pipe.writer.get(), text);
    pipe.writer.reset();

    std::jthread const vcpu{[&](std::stop_token const& stop) {
        while (!stop.stop_requested()) {
            {
                std::lock_guard const lock{host.guest.mutex};
                if (host.guest.got.size() == text.size()) return;
                if (host.guest.room > 0) continue;
                host.guest.room = 16;
            }
            host.input.resume();
        }
    }};
    host.run_until([&] {
        std::lock_guard const lock{host.guest.mutex};
        return host.guest.got.size() == text.size();
    });
    CHECK(host.guest.got == text);
}

TEST_CASE("escape sequences work from a pipe too", "[console]")
{
    Pipe pipe;
    Fixture host{pipe.reader.get()};
    put(pipe.writer.get(), "a\x01hb\x01x");
    pipe.writer.reset();
    host.io.run();
    CHECK(host.guest.got == "ab");
    CHECK(host.commands == std::vector{ConsoleCommand::Help, ConsoleCommand::Quit});
}

TEST_CASE("a terminal's keys reach the guest as they are", "[console]")
{
    Pty pty;
    Fixture host{pty.slave.get()};
    CHECK(pty.is_raw());
    put(pty.master.get(), "ls\r\x03\x1a\x04\x11");
    host.run_until([&] { return host.guest.got.size() == 7; });
    CHECK(host.guest.got == "ls\r\x03\x1a\x04\x11");
}

TEST_CASE("a guest that is deaf cannot keep the user from leaving", "[console]")
{
    Pty pty;
    Fixture host{pty.slave.get()};
    host.guest.room = 0;
    for (int i = 0; i < 10; ++i) {
        put(pty.master.get(), std::string(1'000, 'k'));
        host.settle();
    }
    put(pty.master.get(), "\x01x");
    host.run_until([&] { return !host.commands.empty(); });
    CHECK(host.commands == std::vector{ConsoleCommand::Quit});

    host.guest.room = 100'000;
    host.input.resume();
    host.settle();
    CHECK(host.guest.got == std::string(4'096, 'k')); // the rest was dropped
}
