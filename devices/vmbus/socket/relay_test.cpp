#include "devices/vmbus/socket/testing/relay_setting.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/rest.hpp"
#include "hv/testing/threads.hpp"

using namespace devices::vmbus::socket;
using namespace std::chrono_literals;
using devices::UniqueFd;
using devices::testing::DeviceChannel;
using hv::vmbus::Guid;
using testing::connect_to;
using testing::ends;
using testing::KeepingBus;
using testing::listen_at;
using testing::long_enough;
using testing::packet_of;
using testing::patient;
using testing::read;
using testing::read_some;
using testing::Setting;
using testing::write_all;

namespace {

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

TEST_CASE("clients of a quiesced relay wait, and their time with them", "[vsock][quiesce]")
{
    Setting s{1s};
    auto const early = connect_to(s.path);
    write_all(early, "CONNECT 1");
    auto const clients = [&] {
        hv::testing::Inspected seen;
        s.relay->inspect(seen);
        return seen.at("sockets/clients");
    };
    while (clients() != "1")
        std::this_thread::yield();
    hv::testing::Rest rest;
    s.relay->quiesce(rest.last());
    rest.wait();
    write_all(early, "234\n");
    auto const late = connect_to(s.path);
    write_all(late, "CONNECT 1235\n");
    std::this_thread::sleep_for(1200ms); // longer than its patience
    CHECK_FALSE(s.bus.has_offer());

    s.relay->resume();
    auto const first = s.bus.take_offer();
    auto const second = s.bus.take_offer();
    CHECK(first.spec.interface != second.spec.interface);
    for (auto const port : {1234U, 1235U})
        CHECK((first.spec.interface == service_of(Port{port}) || second.spec.interface == service_of(Port{port})));
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
