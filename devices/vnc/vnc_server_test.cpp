#include "devices/base/unique_fd.hpp"
#include "devices/vnc/vnc_server.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <future>
#include <mutex>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <vector>

using namespace devices::vnc;
using devices::UniqueFd;
using devices::display::Mode;
using devices::display::Screen;

namespace {

constexpr std::size_t memory_bytes = std::size_t{8} << 20;
constexpr int patience_ms = 60'000; ///< a test that waits so long has failed

/// A listening socket of an abstract address, and how to connect to it.
struct Place {
    UniqueFd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    socklen_t size = sizeof(sa_family_t); ///< the kernel chooses one

    Place()
    {
        address.sun_family = AF_UNIX;
        REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(listener.get(), 16) == 0);
        size = sizeof address;
        REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    }
    [[nodiscard]] UniqueFd connect() const
    {
        UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr const*>(&address), size) == 0);
        return fd;
    }
};

/// What comes is waited for.
struct Recorder final : ViewerInput {
    struct Event {
        std::uint32_t symbol = 0;
        bool down = false;
        std::uint32_t x = 0;
        std::uint32_t y = 0;
        unsigned buttons = 0;
        bool gone = false;
    };
    void key(std::uint32_t symbol, bool down) override { add({.symbol = symbol, .down = down}); }
    void pointer(std::uint32_t x, std::uint32_t y, unsigned buttons, Mode const&) override
    {
        add({.x = x, .y = y, .buttons = buttons});
    }
    void nobody() override { add({.gone = true}); }

    void add(Event const& event)
    {
        std::lock_guard const guard{lock};
        events.push_back(event);
        came.notify_all();
    }
    Event next()
    {
        std::unique_lock held{lock};
        REQUIRE(came.wait_for(held, std::chrono::milliseconds{patience_ms}, [&] { return !events.empty(); }));
        auto const event = events.front();
        events.erase(events.begin());
        return event;
    }

    std::mutex lock;
    std::condition_variable came;
    std::vector<Event> events;
};

/// Speaks RFB 3.8 (RFC 6143).
struct Viewer {
    UniqueFd fd;

    void send(std::initializer_list<unsigned> bytes) const
    {
        std::vector<unsigned char> const all(bytes.begin(), bytes.end());
        REQUIRE(::send(fd.get(), all.data(), all.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(all.size()));
    }
    /// Fewer when the server has gone.
    [[nodiscard]] std::vector<unsigned char> receive(std::size_t size) const
    {
        std::vector<unsigned char> all(size);
        std::size_t got = 0;
        while (got < size) {
            pollfd wait{fd.get(), POLLIN, 0};
            REQUIRE(::poll(&wait, 1, patience_ms) == 1);
            auto const some = ::recv(fd.get(), all.data() + got, size - got, 0);
            if (some <= 0) break;
            got += static_cast<std::size_t>(some);
        }
        all.resize(got);
        return all;
    }
    void greet(unsigned security) const
    {
        auto const version = receive(12);
        CHECK(std::string(version.begin(), version.end()) == "RFB 003.008\n");
        REQUIRE(::send(fd.get(), "RFB 003.008\n", 12, MSG_NOSIGNAL) == 12);
        CHECK(receive(2) == std::vector<unsigned char>{1, static_cast<unsigned char>(security)});
        send({security});
    }
    /// Without a password. The size of the screen.
    [[nodiscard]] std::pair<unsigned, unsigned> enter() const
    {
        greet(1);
        CHECK(receive(4) == std::vector<unsigned char>(4)); // let in
        send({1});
        auto const init = receive(24);
        REQUIRE(init.size() == 24);
        (void)receive(init[23]); // its title
        return {init[0] << 8 | init[1], init[2] << 8 | init[3]};
    }
    void ask(bool incremental, unsigned width, unsigned height) const
    {
        send({3, incremental ? 1U : 0U, 0, 0, 0, 0, width >> 8, width & 0xFF, height >> 8, height & 0xFF});
    }
    /// x, y, width, height and the pixels of an update's only rectangle.
    struct Update {
        std::array<unsigned, 4> where{};
        std::vector<unsigned char> pixels{};
    };
    [[nodiscard]] Update update() const
    {
        auto const head = receive(16);
        REQUIRE(head.size() == 16);
        REQUIRE(head[0] == 0);
        REQUIRE((head[2] << 8 | head[3]) == 1);
        Update update;
        for (std::size_t i = 0; i < 4; ++i)
            update.where[i] = static_cast<unsigned>(head[4 + 2 * i] << 8 | head[5 + 2 * i]);
        update.pixels = receive(std::size_t{4} * update.where[2] * update.where[3]);
        return update;
    }
};

struct Source final : Screen::Source {
    void changes_wanted(bool wanted) override { told.push_back(wanted); }
    std::vector<bool> told;
};

struct Setting {
    std::vector<std::byte> memory = std::vector<std::byte>(memory_bytes);
    std::shared_ptr<Screen> screen = std::make_shared<Screen>(memory);
    std::shared_ptr<Source> source = std::make_shared<Source>();
    Recorder input;
    Place place;
    std::optional<VncServer> server;

    void start(std::string const& password = {})
    {
        screen->attach(source);
        server.emplace(VncServer::Config{UniqueFd{::dup(place.listener.get())}, password, "t"}, screen, input);
        server->start();
    }
    void put(std::size_t x, std::size_t y, std::uint32_t pixel)
    {
        std::memcpy(&memory[4096 * y + 4 * x], &pixel, sizeof pixel);
    }
};

} // namespace

TEST_CASE("a viewer sees all of a screen first, and then what is drawn", "[vnc]")
{
    Setting s;
    s.put(3, 2, 0x11'2233);
    s.start();
    Viewer const viewer{s.place.connect()};
    CHECK(viewer.enter() == std::pair{1024U, 768U});
    viewer.ask(false, 1024, 768);
    auto const all = viewer.update();
    CHECK(all.where == std::array{0U, 0U, 1024U, 768U});
    auto const at = std::size_t{4} * (1024 * 2 + 3);
    CHECK(all.pixels.at(at) == 0x33);
    CHECK(all.pixels.at(at + 2) == 0x11);
    CHECK(s.screen->changes_wanted());

    viewer.ask(true, 1024, 768);
    s.put(500, 600, 0xFF'FFFF);
    s.screen->drawn({500, 600, 501, 602});
    auto const part = viewer.update();
    CHECK(part.where == std::array{500U, 600U, 1U, 2U});
    CHECK(part.pixels == std::vector<unsigned char>{0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0});
    CHECK(s.server->viewers() == 1);
}

TEST_CASE("keys and pointers of viewers arrive, and that nobody looks any more", "[vnc]")
{
    Setting s;
    s.start();
    {
        Viewer const viewer{s.place.connect()};
        (void)viewer.enter();
        viewer.send({4, 1, 0, 0, 0, 0, 0xFF, 0x0D});
        viewer.send({4, 0, 0, 0, 0, 0, 0xFF, 0x0D});
        viewer.send({5, 5, 0x01, 0x00, 0xFF, 0xFF}); // below the screen
        auto event = s.input.next();
        CHECK(event.symbol == 0xFF0D);
        CHECK(event.down);
        CHECK_FALSE(s.input.next().down);
        event = s.input.next();
        CHECK(event.buttons == 5);
        CHECK(event.x == 256);
        CHECK(event.y == 767);
    }
    CHECK(s.input.next().gone);
    CHECK_FALSE(s.screen->changes_wanted());
    s.server.reset();
    CHECK(s.source->told == std::vector{true, false});
}

TEST_CASE("who does not know the password sees nothing", "[vnc]")
{
    Setting s;
    s.start("secret");
    Viewer const viewer{s.place.connect()};
    viewer.greet(2);
    CHECK(viewer.receive(16).size() == 16); // the challenge
    viewer.send({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    auto const answer = viewer.receive(4);
    CHECK(answer == std::vector<unsigned char>{0, 0, 0, 1});
    while (!viewer.receive(1).empty()) {
    }
    CHECK_FALSE(s.screen->changes_wanted());
}

TEST_CASE("a screen of another size is shown to who comes then", "[vnc]")
{
    Setting s;
    s.start();
    CHECK(s.screen->set_mode({640, 480, 2560, 32, 0}));
    Viewer const viewer{s.place.connect()};
    CHECK(viewer.enter() == std::pair{640U, 480U});
    viewer.ask(false, 640, 480);
    CHECK(viewer.update().where == std::array{0U, 0U, 640U, 480U});

    CHECK(s.screen->set_mode({640, 480, 1280, 16, 0})); // another depth: the same size
    s.screen->set_pointer({2, 1, 1, 0, {0xFFFF'FFFF, 0}});
    viewer.ask(true, 640, 480);
    CHECK(viewer.update().where[3] != 0);
}

TEST_CASE("clients that say nothing or nonsense keep nobody out", "[vnc][hostile]")
{
    Setting s;
    s.start();
    std::vector<UniqueFd> silent;
    for (std::size_t i = 0; i + 1 < VncServer::most_clients; ++i)
        silent.push_back(s.place.connect());
    Viewer const nonsense{s.place.connect()};
    (void)nonsense.receive(12);
    REQUIRE(::send(nonsense.fd.get(), "GARBAGE GARBAGE", 12, MSG_NOSIGNAL) == 12);
    while (!nonsense.receive(1).empty()) {
    }
    Viewer const viewer{s.place.connect()};
    CHECK(viewer.enter().first == 1024);
}
