#include "devices/firmware/network_mailbox.hpp"
#include "devices/net/lent_backend.hpp"
#include "devices/net/testing/recorders.hpp"
#include "hv/testing/catch.hpp"

#include <cstring>
#include <utility>

using namespace devices;
using namespace devices::firmware;

namespace {

constexpr std::uint64_t ram_size = 64 << 10;
constexpr std::uint64_t frame_at = 0x2001; // anywhere
constexpr net::MacAddress own{{0x52, 0x54, 0, 1, 2, 3}};

struct Machine {
    std::vector<std::byte> ram = std::vector<std::byte>(ram_size + hv::page_size);
    std::byte* start = ram.data() + (hv::page_size - reinterpret_cast<std::uintptr_t>(ram.data()) % hv::page_size);
    hv::GuestMemory memory;
    std::shared_ptr<net::testing::RecordingBackend> backend = std::make_shared<net::testing::RecordingBackend>();
    std::shared_ptr<net::testing::RecordingBackend> second = std::make_shared<net::testing::RecordingBackend>();
    net::LentBackend lent{backend, own};
    net::LentBackend lent_second{second, {{0x52, 0x54, 0, 9, 9, 9}}};
    net::testing::RecordingReceiver card;
    bool link = true;
    std::unique_ptr<NetworkMailbox> mailbox;

    Machine()
    {
        memory.add({hv::Gpa{0}, ram_size, start});
        lent.start(card);
        lent_second.start(card);
        std::vector<BootCard> cards{{.mac = own,
                                     .instance = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                     .port = lent.firmware(),
                                     .link_up = [this] { return link; },
                                     .place = 3},
                                    {.mac = {{0x52, 0x54, 0, 9, 9, 9}}, .port = lent_second.firmware()}};
        mailbox = std::make_unique<NetworkMailbox>(memory, std::move(cards));
        put_address(frame_at);
    }

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size = 4) const
    {
        return mailbox->read(offset, size);
    }
    void write(std::uint64_t offset, std::uint64_t value) const { mailbox->write(offset, 4, value); }
    void put_address(std::uint64_t address) const
    {
        write(network::address_low, address & 0xFFFF'FFFF);
        write(network::address_high, address >> 32);
    }
    /// A frame to the card, or to whom its first byte says.
    [[nodiscard]] static std::vector<std::byte> frame(std::size_t size, unsigned last)
    {
        std::vector<std::byte> bytes(size);
        std::memcpy(bytes.data(), own.bytes.data(), own.bytes.size());
        bytes.back() = static_cast<std::byte>(last);
        return bytes;
    }
    bool deliver(std::size_t size, unsigned last) const { return backend->deliver({.bytes = frame(size, last)}); }
};

} // namespace

TEST_CASE("the driver learns what network cards there are", "[mailbox][network]")
{
    Machine const m;
    CHECK(m.read(network::present) == 1);
    CHECK(m.read(network::mac_low) == 0x0100'5452);
    CHECK(m.read(network::mac_high) == 0x0302);
    CHECK(m.read(network::instance) == 0x0302'0100);
    CHECK(m.read(network::instance + 12) == 0x0F0E'0D0C);
    CHECK(m.read(network::instance + 8, 8) == 0x0F0E'0D0C'0B0A'0908);
    CHECK(m.read(network::place) == 3);
    CHECK(m.read(network::link) == 1);
    CHECK(m.read(network::card_size + network::present) == 1);
    CHECK(m.read(network::card_size + network::mac_high) == 0x0909);
    CHECK(m.read(network::card_size + network::place) == 0);
    for (unsigned n = 2; n < network::most_cards; ++n)
        CHECK(m.read(n * network::card_size + network::present) == 0);
}

TEST_CASE("frames go from the guest's RAM to the network, and back", "[mailbox][network]")
{
    Machine m;
    auto const frame = Machine::frame(60, 5);
    std::memcpy(m.start + frame_at, frame.data(), frame.size());
    m.write(network::send, frame.size());
    CHECK(m.read(network::send) == 1);
    REQUIRE(m.backend->sent.size() == 1);
    CHECK(m.backend->sent[0].bytes == frame);
    CHECK(m.second->sent.empty());

    m.write(network::filter, network::wanted::unicast);
    CHECK(m.read(network::filter) == network::wanted::unicast);
    CHECK(m.backend->listening);
    CHECK_FALSE(m.second->listening);
    REQUIRE(m.deliver(1514, 6));
    CHECK(m.read(network::waiting) == 1);
    CHECK(m.read(network::receive, 2) == 0); // half a register takes nothing
    CHECK(m.read(network::receive + 1, 1) == 0);
    REQUIRE(m.read(network::receive) == 1514);
    CHECK(std::memcmp(m.start + frame_at, Machine::frame(1514, 6).data(), 1514) == 0);
    CHECK(m.read(network::receive) == 0);
    m.write(network::filter, 0);
    CHECK_FALSE(m.backend->listening);
}

TEST_CASE("what is no frame is not sent, and no place is written that is none", "[mailbox][network][hostile]")
{
    Machine m;
    for (auto const size : {0U, 13U, 1519U, 0x8000'0000U, 0xFFFF'FFFFU}) {
        m.write(network::send, size);
        CHECK(m.read(network::send) == 0);
    }
    m.write(network::filter, 0xFFFF'FFFF);
    CHECK(m.read(network::filter) == 0xF);
    REQUIRE(m.deliver(60, 1));
    for (auto const address : {ram_size - 59, ram_size, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
        m.put_address(address);
        CHECK((m.read(network::address_low) | m.read(network::address_high) << 32) == address);
        m.write(network::send, 60);
        CHECK(m.read(network::send) == 0);
        CHECK(m.read(network::receive) == 0);
    }
    CHECK(m.backend->sent.empty());
    CHECK(m.read(network::waiting) == 1); // it waits for a place
    m.put_address(ram_size - network::longest_frame);
    CHECK(m.read(network::receive) == 60);
    m.mailbox->write(network::send, 2, 60); // half a register
    CHECK(m.backend->sent.empty());
    m.write(network::send, 60);
    CHECK(m.backend->sent.size() == 1);
    for (std::uint64_t offset = 2 * network::card_size; offset < network::size; offset += 4) {
        m.write(offset, 60);
        CHECK(m.read(offset) == 0);
    }
}

TEST_CASE("with the cable out nothing comes or goes", "[mailbox][network]")
{
    Machine m;
    m.write(network::filter, network::wanted::all);
    REQUIRE(m.deliver(60, 1));
    m.link = false;
    CHECK(m.read(network::link) == 0);
    CHECK(m.read(network::receive) == 0);
    m.write(network::send, 60);
    CHECK(m.read(network::send) == 0);
    CHECK(m.backend->sent.empty());
    m.link = true;
    CHECK(m.read(network::receive) == 0);
    REQUIRE(m.deliver(60, 2));
    CHECK(m.read(network::receive) == 60);
}

TEST_CASE("the mailbox has nothing of a network that the guest's own driver has taken", "[mailbox][network]")
{
    Machine m;
    m.write(network::filter, network::wanted::all);
    REQUIRE(m.deliver(60, 1));
    m.lent.listen({});
    CHECK(m.read(network::receive) == 0);
    m.write(network::send, 60);
    CHECK(m.read(network::send) == 0);
    m.write(network::filter, network::wanted::all);
    CHECK(m.read(network::filter) == 0);
    REQUIRE(m.deliver(60, 2));
    CHECK(m.card.frames() == 1);
    CHECK(m.read(network::present) == 1);
    CHECK(m.read(network::link) == 1);
}
