#include "devices/vmbus/socket/relay.hpp"
#include "devices/vmbus/socket/testing/socket_guest.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/threads.hpp"

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <sys/un.h>

using namespace devices::vmbus::socket;
using namespace std::chrono_literals;
using devices::UniqueFd;
using devices::testing::DeviceChannel;
using hv::vmbus::Guid;
using testing::packet_of;
using testing::read_some;
using testing::write_all;

namespace {

constexpr auto long_enough = 10s; // nothing here takes that long unless it is broken

/// Keeps what is offered until the test takes it.
class KeepingBus final : public hv::vmbus::Bus {
  public:
    struct Offer {
        hv::vmbus::OfferSpec spec;
        std::shared_ptr<hv::vmbus::ChannelDevice> device;
    };

    void offer(hv::vmbus::OfferSpec const& spec, std::shared_ptr<hv::vmbus::ChannelDevice> device) override
    {
        std::scoped_lock const lock{mutex_};
        offers_.push_back({spec, std::move(device)});
        changed_.notify_all();
    }
    void withdraw(Guid const& instance) override
    {
        std::scoped_lock const lock{mutex_};
        withdrawn_.push_back(instance);
        changed_.notify_all();
    }
    hv::vmbus::Runner& runner() override { return executor_; }

    Offer take_offer()
    {
        std::unique_lock lock{mutex_};
        REQUIRE(changed_.wait_for(lock, long_enough, [this] { return !offers_.empty(); }));
        auto offer = std::move(offers_.front());
        offers_.erase(offers_.begin());
        return offer;
    }
    bool has_offer()
    {
        std::scoped_lock const lock{mutex_};
        return !offers_.empty();
    }
    void await_withdrawal(Guid const& instance)
    {
        std::unique_lock lock{mutex_};
        REQUIRE(changed_.wait_for(lock, long_enough,
                                  [&] { return std::ranges::find(withdrawn_, instance) != withdrawn_.end(); }));
    }

  private:
    hv::testing::CrankedExecutor executor_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Offer> offers_;
    std::vector<Guid> withdrawn_;
};

class Folder {
  public:
    Folder()
    {
        std::string name = std::filesystem::temp_directory_path() / "porthole-vsock.XXXXXX";
        REQUIRE(::mkdtemp(name.data()));
        path = name;
    }
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    ~Folder() { std::filesystem::remove_all(path); }

    std::string path;
};

sockaddr_un address_of(std::string const& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

UniqueFd listen_at(std::string const& path, int flags = 0)
{
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)};
    auto const address = address_of(path);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd.get(), 300) == 0);
    return fd;
}

/// Gives up after a while, rather than wait for ever.
UniqueFd patient(UniqueFd fd)
{
    timeval const limit{std::chrono::seconds{long_enough}.count(), 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

UniqueFd connect_to(std::string const& path)
{
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto const address = address_of(path);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
    return patient(std::move(fd));
}

/// Waits for that many bytes, or the end.
std::string read(UniqueFd const& fd, std::size_t length)
{
    std::string text(length, '\0');
    auto const count = ::recv(fd.get(), text.data(), length, MSG_WAITALL);
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
}

bool ends(UniqueFd const& fd)
{
    char byte = 0;
    auto const count = ::recv(fd.get(), &byte, 1, 0);
    return count == 0 || (count < 0 && errno == ECONNRESET);
}

struct Setting {
    Folder folder;
    std::string const path = folder.path + "/guest.sock";
    UniqueFd const listener = listen_at(path, SOCK_NONBLOCK);
    KeepingBus bus;
    std::vector<Guid> refused;
    std::shared_ptr<Relay> relay;

    explicit Setting(std::chrono::milliseconds patience = long_enough)
    {
        relay = std::make_shared<Relay>(
            Relay::World{path, listener.get(), bus,
                         [this](Guid const& endpoint, Guid const&) { refused.push_back(endpoint); }, patience});
        relay->start();
    }
    ~Setting() { relay->stop(); }

    /// The guest opens what it was offered.
    static std::shared_ptr<DeviceChannel> open(KeepingBus::Offer const& offer)
    {
        auto channel = std::make_shared<DeviceChannel>(6);
        channel->connect(offer.device.get());
        offer.device->open(channel);
        return channel;
    }
};

constexpr auto endpoint = hv::vmbus::guid("0000aaaa-facb-11e6-bd58-64006a7986d3");

} // namespace

TEST_CASE("the host connects to a port of the guest", "[vsock]")
{
    Setting s;
    auto const client = connect_to(s.path);
    write_all(client, "CONN");
    write_all(client, "ECT 1234\nhello");
    auto const offer = s.bus.take_offer();
    CHECK(offer.spec.interface == service_of(Port{1234}));
    CHECK(offer.spec.user_defined[4] == std::byte{1});

    auto const channel = Setting::open(offer);
    CHECK(read(client, 14) == "OK 1073741824\n");
    CHECK(testing::receive(*channel).text == "hello");
    REQUIRE(channel->send(packet_of("good day")));
    CHECK(read(client, 8) == "good day");

    REQUIRE(channel->send(packet_of("")));
    CHECK(ends(client));
    ::shutdown(client.get(), SHUT_WR);
    s.bus.await_withdrawal(offer.spec.instance);
}

TEST_CASE("the guest connects to a port of the host", "[vsock]")
{
    Setting s;
    auto const server = listen_at(s.path + "_52");
    s.relay->connect_requested(endpoint, service_of(Port{52}));
    auto const offer = s.bus.take_offer();
    CHECK(offer.spec.interface == service_of(Port{52}));
    CHECK(offer.spec.instance == endpoint);
    CHECK(offer.spec.user_defined[4] == std::byte{0});

    auto const channel = Setting::open(offer);
    auto client = patient(UniqueFd{::accept(server.get(), nullptr, nullptr)});
    REQUIRE(client);
    REQUIRE(channel->send(packet_of("hello")));
    CHECK(read(client, 5) == "hello");
    auto const before = channel->interrupts.load();
    write_all(client, "good day");
    channel->interrupts.wait(before);
    CHECK(testing::receive(*channel).text == "good day");
    CHECK(s.refused.empty());

    offer.device->close();
    CHECK(ends(client));
    s.bus.await_withdrawal(endpoint);
}

TEST_CASE("nobody listens on the host, or not to such a service", "[vsock]")
{
    Setting s;
    s.relay->connect_requested(endpoint, service_of(Port{52}));
    CHECK(s.refused.size() == 1);
    s.relay->connect_requested(endpoint, hv::vmbus::guid("00000034-facb-11e6-bd58-64006a7986d4"));
    CHECK(s.refused.size() == 2);
    CHECK_FALSE(s.bus.has_offer());
}

TEST_CASE("an endpoint has one connection at a time", "[vsock][hostile]")
{
    Setting s;
    auto const server = listen_at(s.path + "_52");
    s.relay->connect_requested(endpoint, service_of(Port{52}));
    s.relay->connect_requested(endpoint, service_of(Port{52}));
    CHECK(s.refused == std::vector<Guid>{endpoint});
    s.bus.take_offer().device->close();
    s.relay->connect_requested(endpoint, service_of(Port{52}));
    CHECK(s.refused.size() == 1);
}

TEST_CASE("there is a limit to connections", "[vsock][hostile]")
{
    Setting s;
    auto const server = listen_at(s.path + "_52");
    for (std::uint32_t i = 0; i < Relay::most_connections; ++i)
        s.relay->connect_requested(service_of(Port{i}), service_of(Port{52}));
    CHECK(s.refused.empty());
    s.relay->connect_requested(endpoint, service_of(Port{52}));
    CHECK(s.refused == std::vector<Guid>{endpoint});
    CHECK(ends(connect_to(s.path))); // nor for the host's programs
    s.bus.take_offer().device->close();
    s.relay->connect_requested(endpoint, service_of(Port{52}));
    CHECK(s.refused.size() == 1);
}

TEST_CASE("clients that do not say where they want to are let go", "[vsock]")
{
    auto const* const said =
        GENERATE("hello\n", "CONNECT x\n", "CONNECT 00000000000000000000000000000001", "CONNECT 1 \n");
    Setting s;
    auto const client = connect_to(s.path);
    write_all(client, said);
    CHECK(ends(client));
    CHECK_FALSE(s.bus.has_offer());
}

TEST_CASE("clients that say nothing are let go in time", "[vsock]")
{
    Setting s{20ms};
    auto const client = connect_to(s.path);
    write_all(client, "CONNECT");
    CHECK(ends(client));
}

TEST_CASE("a guest that does not open what it is offered loses it in time", "[vsock]")
{
    Setting s{20ms};
    auto const client = connect_to(s.path);
    write_all(client, "CONNECT 1\n");
    CHECK(ends(client));
    s.bus.await_withdrawal(s.bus.take_offer().spec.instance);
}

TEST_CASE("what is open stays so after the time for opening it", "[vsock]")
{
    Setting s{1ms};
    auto const server = listen_at(s.path + "_52");
    std::shared_ptr<DeviceChannel> channel;
    while (!channel) { // it may come too late at times, on a busy machine
        s.relay->connect_requested(endpoint, service_of(Port{52}));
        auto const client = patient(UniqueFd{::accept(server.get(), nullptr, nullptr)});
        channel = Setting::open(s.bus.take_offer());
        auto const late = connect_to(s.path);
        CHECK(ends(late)); // by now the time has passed
        if (!channel->send(packet_of("x")) || read(client, 1) != "x") channel = nullptr;
    }
}

TEST_CASE("stopping ends all connections", "[vsock]")
{
    Setting s;
    auto const client = connect_to(s.path);
    write_all(client, "CONNECT 1\n");
    auto const channel = Setting::open(s.bus.take_offer());
    CHECK(read(client, 3) == "OK ");
    auto const waiting = connect_to(s.path);
    s.relay->stop();
    CHECK(read(client, 100) == "1073741824\n");
    CHECK(ends(client));
}

TEST_CASE("a guest opens and closes connections while the host's programs talk, leave, and it is looked at",
          "[vsock][threads]")
{
    constexpr unsigned rounds = 300;
    Setting s;
    auto const server = listen_at(s.path + "_52", SOCK_NONBLOCK);
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> others{0};

    // Of every three connections one is let go before it is opened, and one amid what is said.
    auto const round = [&](unsigned number) {
        auto const instance = service_of(Port{1000 + number});
        s.relay->connect_requested(instance, service_of(Port{52}));
        auto const offer = s.bus.take_offer();
        if (number % 3 == 0) return offer.device->close();
        auto const channel = Setting::open(offer);
        channel->send(packet_of("hello"));
        for (unsigned i = 0; i < 50; ++i) {
            channel->send(packet_of(std::string(1000, 'x')));
            auto const heard = testing::receive(*channel).text;
            if (heard.find_first_not_of('y') != std::string::npos) ++others;
        }
        if (number % 3 == 1) channel->send(packet_of(""));
        offer.device->close();
    };
    auto const talk = [&](unsigned number, UniqueFd const& client) {
        auto const text = read_some(client);
        auto const greeted = std::min<std::size_t>(text.size(), 5);
        if (text.substr(0, greeted) != std::string_view{"hello"}.substr(0, greeted)) ++others;
        static_cast<void>(::send(client.get(), std::string(5000, 'y').data(), 5000, MSG_NOSIGNAL | MSG_DONTWAIT));
        if (number % 4 == 0) ::shutdown(client.get(), SHUT_WR);
    };
    hv::testing::run_together({
        [&] { // the guest
            for (unsigned i = 0; i < rounds; ++i)
                round(i);
            done = true;
        },
        [&] { // programs of the host
            std::vector<UniqueFd> clients;
            for (unsigned number = 0; !done;) {
                UniqueFd client{::accept4(server.get(), nullptr, nullptr, SOCK_NONBLOCK)};
                if (!client) continue;
                talk(number++, client);
                clients.push_back(std::move(client));
                if (clients.size() > 8) clients.clear();
            }
        },
        [&] { // whoever controls the run
            while (!done) {
                hv::testing::Inspected seen;
                s.relay->inspect(seen);
            }
        },
    });
    CHECK(others == 0);
    CHECK(s.refused.empty());
    for (unsigned i = 0; i < rounds; ++i)
        s.bus.await_withdrawal(service_of(Port{1000 + i}));
    hv::testing::Inspected seen;
    s.relay->inspect(seen);
    CHECK(seen.at("sockets/connections") == "0");
}
