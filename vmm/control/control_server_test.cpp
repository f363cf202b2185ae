#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/console/testing/reactor.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/control/control_server.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/host/unix_listener.hpp"

#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace vmm::testing;
using vmm::control::ControlServer;
using vmm::control::Reply;
using vmm::control::Request;

/// A client that waits for its answers.
class Client {
  public:
    explicit Client(std::string const& path) : fd_{vmm::connect_unix(path)} { REQUIRE(fd_); }

    void send(std::string const& text) const { put(fd_.get(), text); }
    /// The next line without its end; empty when the server has closed.
    std::string line()
    {
        while (seen_.find('\n') == std::string::npos) {
            auto const more = get_some(fd_.get());
            if (more.empty()) return {};
            seen_ += more;
        }
        auto const end = seen_.find('\n');
        auto line = seen_.substr(0, end);
        seen_.erase(0, end + 1);
        return line;
    }
    std::string ask(std::string const& request)
    {
        send(request + "\n");
        return line();
    }
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    vmm::UniqueFd fd_;
    std::string seen_;
};

/// A server whose commands are "echo", which answers at once, "keep", which keeps the reply, "drop" and "big".
class Served {
  public:
    explicit Served(ControlServer::Limits const& limits = {})
        : server{reactor.io, path(), [this](Request r, Reply reply) { handle(r, std::move(reply)); }, limits}
    {
        server.start();
    }
    Served(Served const&) = delete;
    Served& operator=(Served const&) = delete;
    ~Served() { reactor.stop(); }

    [[nodiscard]] std::string path() const { return folder_.path("control"); }

    /// The reply that was kept, when one is.
    Reply kept()
    {
        std::unique_lock guard{lock_};
        changed_.wait(guard, [this] { return kept_.has_value(); });
        auto reply = std::move(*kept_);
        kept_.reset();
        return reply;
    }

  private:
    void handle(Request const& request, Reply reply)
    {
        if (request.command == "echo") reply.answer(request.arguments.values());
        if (request.command == "big") reply.answer(std::string(std::size_t{8} << 20, 'x'));
        if (request.command != "keep") return;
        std::lock_guard const guard{lock_};
        kept_.emplace(std::move(reply));
        changed_.notify_all();
    }

    Folder folder_;
    std::mutex lock_;
    std::condition_variable changed_;
    std::optional<Reply> kept_;

  public:
    Reactor reactor;
    ControlServer server;
};

constexpr auto echo = R"({"execute": "echo", "arguments": {"a": "b"}})";
constexpr auto echoed = R"({"return":{"a":"b"}})";
constexpr auto keep = R"({"execute": "keep"})";

} // namespace

TEST_CASE("a client's requests are answered in turn, and those of others meanwhile", "[control][threads]")
{
    Served served;
    Client one{served.path()};
    Client two{served.path()};
    one.send(std::string{keep} + "\n" + echo + "\n");
    auto const reply = served.kept();
    CHECK(two.ask(echo) == echoed);
    reply.answer("later");
    CHECK(one.line() == R"({"return":"later"})");
    CHECK(one.line() == echoed);
}

TEST_CASE("an answer comes from any thread, once", "[control][threads]")
{
    Served served;
    Client client{served.path()};
    client.send(std::string{keep} + "\n");
    auto const reply = served.kept();
    auto const other = std::async(std::launch::async, [reply] {
        reply.fail("no");
        reply.answer("yes");
    });
    CHECK(client.line() == R"({"error":"no"})");
    CHECK(client.ask(echo) == echoed);
}

TEST_CASE("a request whose reply is lost is answered all the same", "[control]")
{
    Served served;
    Client client{served.path()};
    CHECK_THAT(client.ask(R"({"execute": "drop"})"), Contains("error") && Contains("there is no answer"));
}

TEST_CASE("a request that takes too long is answered by an error, and its late answer goes nowhere", "[control]")
{
    Served served{{.answer = 20ms}};
    Client client{served.path()};
    CHECK_THAT(client.ask(keep), Contains("there is no answer yet"));
    served.kept().answer("late");
    CHECK(client.ask(echo) == echoed);
}

TEST_CASE("a bad request is answered by an error, and the next is served", "[control]")
{
    Served served;
    Client client{served.path()};
    CHECK_THAT(client.ask("nonsense"), Contains("error") && Contains("no JSON"));
    CHECK_THAT(client.ask(""), Contains("error"));
    CHECK(client.ask(echo) == echoed);
}

TEST_CASE("a line without end is not taken in without bound", "[control]")
{
    Served served;
    Client client{served.path()};
    std::string const longest(Request::longest_line, ' ');
    CHECK_THAT(client.ask(longest), Contains("no JSON"));
    client.send(longest + " ");
    CHECK_THAT(client.line(), Contains("longer than 64 KiB"));
    CHECK(client.line().empty());
    CHECK(Client{served.path()}.ask(echo) == echoed);
}

TEST_CASE("a client that does nothing makes room for another, the one first that has done so for longest",
          "[control]")
{
    Served served{{.clients = 2}};
    Client first{served.path()};
    Client second{served.path()};
    CHECK(first.ask(echo) == echoed);
    CHECK(second.ask(echo) == echoed);
    CHECK(first.ask(echo) == echoed);
    second.send("{\"execute\""); // half a request is none

    Client third{served.path()};
    CHECK(third.ask(echo) == echoed);
    CHECK_THAT(second.line(), Contains("to make room for another client"));
    CHECK(second.line().empty());
    CHECK(first.ask(echo) == echoed);
}

TEST_CASE("any number of idle clients lock nobody out", "[control]")
{
    Served served{{.clients = 4}};
    std::vector<std::unique_ptr<Client>> idle;
    for (int i = 0; i < 40; ++i)
        idle.push_back(std::make_unique<Client>(served.path()));
    CHECK(Client{served.path()}.ask(echo) == echoed);
    CHECK_THAT(idle.front()->line(), Contains("to make room"));
}

TEST_CASE("a client that does not take its answer makes room as well", "[control]")
{
    Served served{{.clients = 1, .slow = 0ms}};
    Client deaf{served.path()};
    deaf.send("{\"execute\": \"big\"}\n");
    CHECK(!get_some(deaf.fd()).empty()); // it is being answered
    CHECK(Client{served.path()}.ask(echo) == echoed);
    CHECK(deaf.line().empty()); // cut off in the middle
}

TEST_CASE("clients whose requests are under way are not let go: one more is told so", "[control]")
{
    Served served{{.clients = 1}};
    Client stays{served.path()};
    stays.send(std::string{keep} + "\n");
    auto const reply = served.kept();
    Client extra{served.path()};
    CHECK_THAT(extra.line(), Contains("too many clients"));
    CHECK(extra.line().empty());
    reply.answer("late");
    CHECK(stays.line() == R"({"return":"late"})");
}

TEST_CASE("a client that does not read is let go, and holds up nobody", "[control]")
{
    Served served{{.write = 50ms}};
    Client deaf{served.path()};
    deaf.send("{\"execute\": \"big\"}\n");
    CHECK(Client{served.path()}.ask(echo) == echoed);
    pollfd hung_up{deaf.fd(), 0, 0};
    CHECK(::poll(&hung_up, 1, 10'000) == 1);
    CHECK(deaf.line().empty()); // cut off in the middle
}

TEST_CASE("a client may go whenever it likes", "[control]")
{
    Served served;
    {
        Client const client{served.path()};
        client.send(std::string{keep} + "\n");
    }
    served.kept().answer(std::string(1000, 'x'));
    {
        Client const client{served.path()};
        client.send("{\"execute\": \"big\"}\n");
    }
    {
        Client const client{served.path()};
        client.send("half a li");
    }
    CHECK(Client{served.path()}.ask(echo) == echoed);
}
