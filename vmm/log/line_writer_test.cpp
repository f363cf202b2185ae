#include "hv/testing/catch.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/log/line_writer.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <future>
#include <string>
#include <termios.h>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace vmm::testing;
using vmm::ConsoleDescriptor;
using vmm::LineWriter;

/// Small, so that a test fills it; and patient with a machine that is busy, or not patient at all.
constexpr LineWriter::Limits small{.capacity = 4096, .reserve = 256, .patience = 20s, .most_patience = 60s};
constexpr LineWriter::Limits impatient{
    .capacity = 4096, .reserve = 256, .patience = 10ms, .most_patience = 20ms, .retry = 1ms};

vmm::UniqueFd full_device()
{
    return vmm::UniqueFd{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
}

} // namespace

TEST_CASE("lines come in order, whoever is slow to read them", "[log]")
{
    Pipe pipe;
    std::string expected;
    auto reader = std::async(std::launch::async, [&] {
        std::string all;
        for (auto more = get_some(pipe.reader.get()); !more.empty(); more = get_some(pipe.reader.get()))
            all += more;
        return all;
    });
    {
        LineWriter writer{ConsoleDescriptor::copy_of(pipe.writer.get()),
                          {},
                          nullptr,
                          {.capacity = std::size_t{1} << 20, .patience = 20s, .most_patience = 60s}};
        for (int i = 0; i < 10'000; ++i) {
            auto const line = "line " + std::to_string(i) + "\n";
            expected += line;
            writer.put(line);
        }
        writer.finish();
        CHECK(writer.lost() == 0);
        CHECK_FALSE(writer.failed());
    }
    pipe.writer.reset();
    CHECK(reader.get() == expected);
}

TEST_CASE("a reader that stands still holds up nobody, and hears how much it has missed", "[log]")
{
    Pipe pipe;
    auto const filled = fill(pipe.writer.get());
    LineWriter writer{ConsoleDescriptor::copy_of(pipe.writer.get()), "porthole: ", nullptr, small};
    std::string const line = std::string(63, 'x') + "\n";
    for (int i = 0; i < 1'000; ++i)
        writer.put(line);
    CHECK(writer.lost() >= 1'000 - 2 * 4096 / 64);
    CHECK(writer.lost() < 1'000);
    writer.put_important("important\n");

    auto const lost = writer.lost();
    std::string seen;
    while (seen.find(" here: what should") == std::string::npos)
        seen += get_some(pipe.reader.get());
    CHECK_THAT(seen.substr(filled), Contains("important\n"));
    CHECK_THAT(seen, Contains("porthole: " + std::to_string(lost) + " lines are missing here"));

    writer.put("afterwards\n");
    writer.finish();
    seen.clear();
    while (!seen.ends_with("afterwards\n"))
        seen += get_some(pipe.reader.get());
}

TEST_CASE("finishing gives up on a reader that stands still", "[log]")
{
    Pipe pipe;
    fill(pipe.writer.get());
    LineWriter writer{ConsoleDescriptor::copy_of(pipe.writer.get()), {}, nullptr, impatient};
    writer.put("never read\n");
    writer.finish();
    CHECK(writer.lost() == 1);
    CHECK_FALSE(writer.failed()); // it is the reader's choice
    writer.put("too late\n");
    CHECK(writer.lost() == 2);
}

TEST_CASE("a terminal that was stopped with Ctrl-S holds up nobody", "[log]")
{
    Pty const pty;
    REQUIRE(::tcflow(pty.slave.get(), TCOOFF) == 0);
    LineWriter writer{ConsoleDescriptor::copy_of(pty.slave.get()), {}, nullptr, impatient};
    for (int i = 0; i < 1'000; ++i)
        writer.put("a line of a log\n");
    writer.finish();
    CHECK(writer.lost() > 0);
    ::tcflow(pty.slave.get(), TCOON);
}

TEST_CASE("a file that cannot be written is reported once, and lines go on when it can again", "[log]")
{
    std::vector<int> errors;
    auto const note = [&errors](int error) { errors.push_back(error); };
    {
        LineWriter writer{ConsoleDescriptor::copy_of(full_device().get()), {}, note, impatient};
        for (int i = 0; i < 100; ++i)
            writer.put("no room for this\n");
        writer.finish();
        CHECK(writer.failed());
        CHECK(writer.lost() == 100);
    }
    CHECK(errors == std::vector{ENOSPC});
}

TEST_CASE("a reader that goes away is no failure, and costs nobody anything", "[log]")
{
    Pipe pipe;
    LineWriter writer{ConsoleDescriptor::copy_of(pipe.writer.get()), {}, nullptr, small};
    pipe.reader.reset();
    for (int i = 0; i < 100; ++i)
        writer.put("to nobody\n");
    writer.finish();
    CHECK(writer.lost() == 100);
    CHECK_FALSE(writer.failed());
}

TEST_CASE("many threads put lines, and each is whole", "[log][threads]")
{
    Pipe pipe;
    auto reader = std::async(std::launch::async, [&] {
        std::string all;
        for (auto more = get_some(pipe.reader.get()); !more.empty(); more = get_some(pipe.reader.get()))
            all += more;
        return all;
    });
    {
        LineWriter writer{ConsoleDescriptor::copy_of(pipe.writer.get())};
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&writer, i] {
                auto const line = std::string(100, static_cast<char>('a' + i)) + "\n";
                for (int n = 0; n < 1'000; ++n)
                    writer.put(line);
            });
        }
        threads.clear();
    }
    pipe.writer.reset();
    auto const all = reader.get();
    CHECK(all.size() == 4 * 1'000 * 101);
    for (std::size_t at = 0; at + 101 <= all.size(); at += 101)
        REQUIRE(all.substr(at, 101) == std::string(100, all[at]) + "\n");
}
