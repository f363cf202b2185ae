#include "devices/vmbus/socket/connection.hpp"
#include "devices/vmbus/socket/testing/socket_guest.hpp"
#include "hv/testing/saved_state.hpp"

using namespace devices::vmbus::socket;
using devices::UniqueFd;
using devices::testing::DeviceChannel;
using testing::at_end;
using testing::packet_of;
using testing::read_some;
using testing::write_all;

namespace {

/// A connection, its channel and the host's program; what the poller would say is said by `poll`.
struct Setting {
    hv::testing::CrankedExecutor executor;
    std::shared_ptr<Poller const> poller = std::make_shared<Poller>();
    UniqueFd host;
    std::shared_ptr<Connection> connection;
    std::shared_ptr<DeviceChannel> channel;
    unsigned ended = 0;

    explicit Setting(std::string greeting = {})
    {
        auto [ours, theirs] = testing::socket_pair();
        host = std::move(theirs);
        connection = std::make_shared<Connection>(
            Connection::Parts{7, std::move(ours), std::move(greeting), poller, [this] { ++ended; }}, executor);
    }

    void open(std::size_t pages = 6)
    {
        channel = std::make_shared<DeviceChannel>(pages);
        channel->connect(connection.get());
        connection->open(channel);
    }

    /// Lets the connection hear from the poller for as long as that has something to say.
    void poll() const
    {
        bool more = true;
        while (std::exchange(more, false)) {
            poller->wait(std::chrono::milliseconds{0}, [&](std::uint64_t id, std::uint32_t) {
                CHECK(id == 7);
                more = true;
                connection->host_ready();
            });
        }
    }

    void guest_says(std::string_view text) const { REQUIRE(channel->send(packet_of(text))); }
    testing::Received guest_hears() const { return testing::receive(*channel); }
};

std::string counted(std::size_t length)
{
    std::string text(length, '\0');
    for (std::size_t i = 0; i < length; ++i)
        text[i] = static_cast<char>(i * 31 + i / 251);
    return text;
}

} // namespace

TEST_CASE("bytes go both ways", "[vsock]")
{
    Setting s;
    s.open();
    s.guest_says("hello");
    CHECK(read_some(s.host) == "hello");
    write_all(s.host, "good day");
    s.poll();
    CHECK(s.guest_hears().text == "good day");
    CHECK(s.channel->interrupts == 1);
    CHECK(s.ended == 0);
}

TEST_CASE("what both ends said before the channel was open arrives", "[vsock]")
{
    Setting s{"OK 5\n"};
    write_all(s.host, "early");
    s.poll();
    CHECK(read_some(s.host).empty());
    s.channel = std::make_shared<DeviceChannel>(6);
    s.channel->send(packet_of("also early"));
    s.connection->open(s.channel);
    CHECK(read_some(s.host) == "OK 5\nalso early");
    CHECK(s.guest_hears().text == "early");
}

TEST_CASE("each end may say that no more comes, and still listen", "[vsock]")
{
    Setting s;
    s.open();
    SECTION("the guest first")
    {
        s.guest_says("question");
        s.guest_says("");
        CHECK(read_some(s.host) == "question");
        CHECK(at_end(s.host));
        write_all(s.host, "answer");
        s.poll();
        CHECK(s.guest_hears().text == "answer");
        CHECK(s.ended == 0);
        s.host.reset();
        s.poll();
        CHECK(s.guest_hears().finished);
    }
    SECTION("the host first")
    {
        write_all(s.host, "question");
        ::shutdown(s.host.get(), SHUT_WR);
        s.poll();
        auto const heard = s.guest_hears();
        CHECK(heard.text == "question");
        CHECK(heard.finished);
        CHECK(s.ended == 0);
        s.guest_says("answer");
        CHECK(read_some(s.host) == "answer");
        s.guest_says("");
        CHECK(at_end(s.host));
    }
    CHECK(s.ended == 1);
}

TEST_CASE("a slow host holds the guest up, and nothing is lost", "[vsock]")
{
    Setting s;
    s.open();
    auto const text = counted(3'000'000);
    std::string_view rest = text;
    std::string read;
    bool was_full = false;
    while (read.size() < text.size()) {
        while (!rest.empty() && s.channel->send(packet_of(rest.substr(0, 4000))))
            rest.remove_prefix(std::min<std::size_t>(4000, rest.size()));
        was_full = was_full || !rest.empty();
        s.poll();
        auto const more = read_some(s.host);
        REQUIRE_FALSE(more.empty());
        read += more;
    }
    CHECK(was_full);
    CHECK((read == text));
}

TEST_CASE("a slow guest holds the host up, and nothing is lost", "[vsock]")
{
    Setting s;
    s.open();
    auto const text = counted(1'000'000);
    std::size_t written = 0;
    std::string read;
    bool was_full = false;
    while (read.size() < text.size()) {
        auto const rest = std::string_view{text}.substr(written);
        auto const count = ::send(s.host.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        was_full = was_full || count < std::ssize(rest);
        if (count > 0) written += static_cast<std::size_t>(count);
        s.poll();
        auto const heard = s.guest_hears();
        REQUIRE(!heard.text.empty());
        CHECK(heard.longest <= 8192); // two of them fit the ring
        read += heard.text;
    }
    CHECK(was_full);
    CHECK((read == text));
}

TEST_CASE("with large rings, packets have 16 KiB, which is what Linux takes at most", "[vsock]")
{
    Setting s;
    s.open(64);
    write_all(s.host, counted(100'000));
    s.poll();
    auto const heard = s.guest_hears();
    CHECK(heard.text == counted(100'000));
    CHECK(heard.longest == 16384);
}

TEST_CASE("a full ring does not lose the end", "[vsock]")
{
    Setting s;
    s.open(1);
    std::string const text(20'000, 'x');
    write_all(s.host, text);
    s.host.reset();
    s.poll();
    std::string read;
    bool finished = false;
    while (!finished) {
        auto const heard = s.guest_hears();
        REQUIRE((!heard.text.empty() || heard.finished));
        read += heard.text;
        finished = heard.finished;
        s.poll();
    }
    CHECK((read == text));
}

TEST_CASE("a host that is gone gets nothing more, and its last words arrive", "[vsock]")
{
    Setting s;
    s.open();
    write_all(s.host, "farewell");
    s.host.reset();
    s.guest_says("too late");
    s.guest_says("again");
    s.poll();
    auto const heard = s.guest_hears();
    CHECK(heard.text == "farewell");
    CHECK(heard.finished);
    CHECK(s.ended == 1);
}

TEST_CASE("a guest that closes the channel ends the connection", "[vsock]")
{
    Setting s;
    s.open();
    s.connection->close();
    CHECK(at_end(s.host));
    CHECK(s.ended == 1);
    s.connection->signalled();
    s.connection->host_ready();
    s.connection->close();
    CHECK(s.ended == 1);
}

TEST_CASE("what is no packet of a socket ends the connection", "[vsock][hostile]")
{
    Setting s;
    s.open();
    SECTION("another type of data")
    {
        REQUIRE(s.channel->send(packet_of("x", 3)));
    }
    SECTION("no header")
    {
        REQUIRE(s.channel->send(std::span<std::byte const>{}));
    }
    SECTION("more bytes than there are")
    {
        PacketHeader const header{packet_data, 9};
        auto packet = packet_of("12345678");
        std::memcpy(packet.data(), &header, sizeof header);
        REQUIRE(s.channel->send(packet));
    }
    SECTION("bytes after the last ones")
    {
        s.guest_says("");
        REQUIRE(s.channel->send(packet_of("more")));
    }
    SECTION("a completion")
    {
        REQUIRE(s.channel->send({hv::abi::PacketType::Completion, 0, 0, 0, 0}, {}, packet_of("x")));
    }
    SECTION("a broken ring")
    {
        s.channel->to_host.write_index() = 0xFFFF'FFF0;
        s.connection->signalled();
    }
    CHECK(s.ended == 1);
    CHECK(at_end(s.host));
}

TEST_CASE("a guest that never stops sending is served in portions", "[vsock][hostile]")
{
    Setting s;
    s.open(16);
    s.channel->connect(nullptr);
    std::string sent;
    for (char c = 'a'; s.channel->send(packet_of(std::string(100, c))); c = c == 'z' ? 'a' : static_cast<char>(c + 1))
        sent += std::string(100, c);
    REQUIRE(sent.size() > 40'000);
    s.connection->signalled();
    auto read = read_some(s.host);
    CHECK(read.size() == 3200);
    while (read.size() < sent.size()) { // the socket does not take all at once
        s.poll();
        auto const more = read_some(s.host);
        REQUIRE_FALSE(more.empty());
        read += more;
    }
    CHECK((read == sent));
}

TEST_CASE("a ring whose indices lie holds up only its own connection", "[vsock][hostile]")
{
    Setting s;
    s.open();
    s.channel->from_host.read_index() = 0x1234'5678;
    write_all(s.host, counted(50'000));
    s.poll();
    s.connection->signalled();
    CHECK(s.ended == 0);
    s.connection->end();
    CHECK(s.ended == 1);
}

TEST_CASE("a connection that is restored has ended, because its socket was left behind", "[vsock][state]")
{
    Setting s;
    s.open();
    s.guest_says("hello");
    s.connection->quiesce({});
    hv::testing::SavedState saved;
    saved.save(*s.connection);
    s.connection->resume();

    Setting other;
    other.connection->quiesce({});
    other.open();
    saved.restore(*other.connection);
    CHECK(other.ended == 1);
    other.connection->resume();
    other.executor.crank();
    CHECK(at_end(other.host));
    CHECK_FALSE(other.channel->receive());
    CHECK(other.ended == 1);
    CHECK(s.ended == 0);
}
