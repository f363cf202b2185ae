/// Several guests that print to one place.
#include "hv/testing/catch.hpp"
#include "vmm/console/output.hpp"
#include "vmm/console/testing/reactor.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"

#include <atomic>
#include <optional>

namespace {

using namespace std::chrono_literals;
using namespace vmm::testing;
using vmm::ConsoleDescriptor;
using vmm::ConsoleOutput;
using vmm::OutputQueue;

constexpr OutputQueue::Limits patient{.capacity = 8192, .patience = 1h};
constexpr std::size_t pipe_size = 65536;

void nobody_lost(std::string const& message)
{
    FAIL_CHECK(message);
}

struct SharedPipe {
    explicit SharedPipe(boost::asio::io_context& io, OutputQueue::Limits const& limits = patient)
        : queue{std::make_shared<OutputQueue>(io, ConsoleDescriptor::copy_of(pipe.writer.get()), limits)}
    {}

    /// Waits until nothing more fits, so that whoever prints now has to wait, or soon will.
    void wait_until_full() const
    {
        while (readable(pipe.reader.get()) < pipe_size)
            std::this_thread::yield();
    }

    Pipe pipe;
    std::shared_ptr<OutputQueue> queue;
};

} // namespace

TEST_CASE("lines of several guests come out in the order in which they went in", "[console]")
{
    boost::asio::io_context io;
    SharedPipe shared{io};
    ConsoleOutput one{shared.queue, nobody_lost};
    ConsoleOutput two{shared.queue, nobody_lost};
    one.write(bytes_of("one| a\n"));
    two.write(bytes_of("two| b\n"));
    one.write(bytes_of("one| c\n"));
    CHECK(get_some(shared.pipe.reader.get()) == "one| a\ntwo| b\none| c\n");
}

TEST_CASE("a guest that has used up its room stops no other", "[console]")
{
    Reactor reactor;
    SharedPipe shared{reactor.io};
    ConsoleOutput flood{shared.queue, nobody_lost};
    ConsoleOutput quiet{shared.queue, nobody_lost};
    constexpr std::size_t flooded = std::size_t{1} << 20;
    constexpr std::string_view line = "still here\n";

    std::thread vcpu{[&] { flood.write(bytes_of(std::string(flooded, 'x'))); }};
    shared.wait_until_full();
    quiet.write(bytes_of(line)); // would not return if it had to wait for the other's room
    auto const got = get(shared.pipe.reader.get(), flooded + line.size());
    vcpu.join();
    CHECK(got.size() == flooded + line.size());
    CHECK(got.find(line) <= pipe_size + patient.capacity); // behind what had been printed before, and no more
    CHECK(flood.dropped() == 0);
    CHECK(quiet.dropped() == 0);
    reactor.stop();
}

TEST_CASE("the end of one guest lets only its own writer go", "[console]")
{
    Reactor reactor;
    SharedPipe shared{reactor.io};
    ConsoleOutput ends{shared.queue, nobody_lost};
    ConsoleOutput goes_on{shared.queue, nobody_lost};
    constexpr std::size_t much = std::size_t{1} << 18;
    std::atomic<bool> through{false};

    std::thread first{[&] { ends.write(bytes_of(std::string(much, 'e'))); }};
    std::thread second{[&] {
        goes_on.write(bytes_of(std::string(much, 'g')));
        through = true;
    }};
    shared.wait_until_full();
    ends.stop_waiting();
    first.join();
    CHECK(ends.dropped() > 0);
    CHECK_FALSE(through);

    auto const kept = 2 * much - ends.dropped();
    auto const got = get(shared.pipe.reader.get(), kept);
    second.join();
    CHECK(static_cast<std::size_t>(std::ranges::count(got, 'g')) == much);
    CHECK(goes_on.dropped() == 0);
    reactor.stop();
}

TEST_CASE("a guest that starts anew may wait again", "[console]")
{
    Reactor reactor;
    SharedPipe shared{reactor.io};
    ConsoleOutput output{shared.queue, nobody_lost};
    constexpr std::size_t much = std::size_t{1} << 18;
    output.stop_waiting();
    output.stop_waiting();
    output.resume_waiting();
    std::thread vcpu{[&] { output.write(bytes_of(std::string(much, 'x'))); }};
    CHECK(get(shared.pipe.reader.get(), much).size() == much);
    vcpu.join();
    CHECK(output.dropped() == 0);
    reactor.stop();
}

TEST_CASE("all who printed there hear that the reader is gone", "[console]")
{
    boost::asio::io_context io;
    SharedPipe shared{io};
    int told = 0;
    auto const lost = [&](std::string const& message) {
        CHECK_THAT(message, Contains("no reader"));
        ++told;
    };
    ConsoleOutput one{shared.queue, lost};
    ConsoleOutput two{shared.queue, lost};
    {
        ConsoleOutput const ended{shared.queue, nobody_lost};
    }
    shared.pipe.reader.reset();
    one.write(bytes_of("hello\n"));
    io.run();
    CHECK(told == 2);
    CHECK(one.failure() == two.failure());
}

TEST_CASE("what one has printed stays when its end is gone, and the rest goes on", "[console]")
{
    boost::asio::io_context io; // never runs
    SharedPipe shared{io, {.capacity = 8192, .patience = 0ms}};
    ConsoleOutput stays{shared.queue, nobody_lost};
    {
        ConsoleOutput goes{shared.queue, nobody_lost};
        goes.write(bytes_of("bye\n"));
        goes.write(bytes_of("no line's end"));
    }
    stays.write(bytes_of(".\n"));
    CHECK(get_some(shared.pipe.reader.get()) == "bye\nno line's end.\n");
}
