/// Hyper-V sockets of one guest, from both sides: programs of the host that connect to the relay's socket and say
/// anything, and a guest that asks for connections, opens what it is offered, and writes anything into its rings.
///
/// The first byte, when odd, gives clients and guest no time at all. Steps follow. The first byte says what (modulo
/// 14), the second which client or channel, modulo their number; numbers called "value" are Input::value's:
///   0  a client connects
///   1  a client says: length, a value, and the bytes
///   2  a client reads
///   3  a client says no more (even) or goes (odd)
///   4  the guest asks for a connection: to a port, a value; or, with that which byte odd, to 16 bytes; from the same
///      endpoint, modulo 4, each time
///   5  the guest opens what it was offered, with rings of so many pages (modulo 16)
///   6  the guest writes a packet of data: its type, a value (0: the right one), its size, a value (0: the right
///   one),
///      and the bytes: length, a value, and they
///   7  the guest writes any packet: type, flags, length of the header in units of 8, and the bytes likewise
///   8  the guest reads all
///   9  the guest writes a word of a ring's control page: which (modulo 8), a value
///  10  the guest closes the channel
///  11  memory will change: after so many loads (1 byte), by XOR with a value, so often (1 byte, modulo 8)
///  12  a client says as much as its socket takes
///  13  the guest writes so many (modulo 32) packets of 8 KiB
/// After each step the relay serves what is ready, and tasks run.
#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/socket/handshake.hpp"
#include "devices/vmbus/socket/relay.hpp"
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/testing/inspected.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

using namespace devices;
using namespace devices::vmbus::socket;
using devices::testing::DeviceChannel;
using hv::fuzz::Input;
using hv::fuzz::require;
using hv::vmbus::Guid;

namespace {

constexpr std::size_t most_clients = 300; ///< more than the relay takes

/// A socket that listens at a path as long as the process runs.
class Listener {
  public:
    explicit Listener(std::string path) : path_{std::move(path)}
    {
        ::unlink(path_.c_str());
        auto const address = of(path_);
        bool const listens = ::bind(fd_.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0 &&
                             ::listen(fd_.get(), 4096) == 0;
        require(listens, "a socket can listen");
    }
    Listener(Listener const&) = delete;
    Listener& operator=(Listener const&) = delete;
    ~Listener() { ::unlink(path_.c_str()); }

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] UniqueFd client() const
    {
        auto const address = of(path_);
        UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        if (::connect(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) fd.reset();
        return fd;
    }
    [[nodiscard]] UniqueFd accepted() const
    {
        return UniqueFd{::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    }

  private:
    static sockaddr_un of(std::string const& path)
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }

    std::string path_;
    UniqueFd fd_{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
};

/// The host's ends, the same for all inputs.
struct Host {
    std::string path = std::filesystem::temp_directory_path() / ("porthole-fuzz-" + std::to_string(::getpid()));
    Listener relay{path};
    Listener program{path_for(path, Port{1})}; ///< what the guest reaches at port 1
};
Host& host()
{
    static Host it;
    return it;
}

/// What was offered, and what has become of it.
struct Offered {
    Guid instance;
    std::shared_ptr<hv::vmbus::ChannelDevice> device;
    std::shared_ptr<DeviceChannel> channel{};
    bool withdrawn = false;
};

struct KeepingBus final : hv::vmbus::Bus {
    void offer(hv::vmbus::OfferSpec const& spec, std::shared_ptr<hv::vmbus::ChannelDevice> device) override
    {
        auto const live = std::ranges::count_if(offers, [](auto const& o) { return !o.withdrawn; });
        require(live < std::ptrdiff_t{Relay::most_connections}, "connections have a limit");
        offers.push_back({spec.instance, std::move(device)});
    }
    void withdraw(Guid const& instance) override
    {
        auto const found = std::ranges::find_if(
            offers, [&](auto const& offer) { return !offer.withdrawn && offer.instance == instance; });
        require(found != offers.end(), "what is withdrawn was offered, and is withdrawn once");
        found->withdrawn = true;
    }
    hv::vmbus::Runner& runner() override { return executor; }

    hv::testing::CrankedExecutor executor;
    std::vector<Offered> offers;
};

class World {
  public:
    explicit World(Input& input)
        : relay_{std::make_shared<Relay>(
              Relay::World{.path = host().path,
                           .listener = host().relay.fd(),
                           .bus = bus_,
                           .refuse = [this](Guid const&, Guid const&) { ++refused_; },
                           .patience = std::chrono::milliseconds{input.byte() % 2 != 0 ? 0 : 3'600'000}})}
    {
        relay_->listen();
    }

    void step(Input& input)
    {
        auto const what = input.below(14);
        auto const which = input.byte();
        if (what < 4 || what == 12) {
            step_of_host(what, which, input);
        } else if (what == 4) {
            ask_for_connection(which, input);
        } else if (what == 11) {
            changing_.change_after(input);
        } else if (!bus_.offers.empty()) {
            step_of_guest(what, bus_.offers[which % bus_.offers.size()], input);
        }
        relay_->serve(std::chrono::milliseconds{0});
        require(bus_.executor.tasks() <= bus_.offers.size(), "a channel has one task at most");
        bus_.executor.crank();
    }

    void end()
    {
        changing_.change_after(0, 0, 0);
        hv::testing::Inspected seen;
        relay_->inspect(seen);
        clients_.clear();
        for (auto& offer : bus_.offers)
            if (offer.channel) offer.device->close();
        relay_->stop();
        bus_.executor.crank();
        for (auto const& offer : bus_.offers) {
            require(offer.withdrawn, "a connection that has ended is withdrawn");
            require(!offer.channel || offer.channel.use_count() == 1, "a closed channel is let go");
        }
        while (host().relay.accepted()) {
        }
    }

  private:
    void step_of_host(unsigned what, unsigned which, Input& input)
    {
        if (what == 0) {
            if (clients_.size() < most_clients) clients_.push_back(host().relay.client());
            return;
        }
        auto const bytes = what == 1 ? input.counted_bytes() : std::span<std::uint8_t const>{};
        if (clients_.empty()) return;
        auto& client = clients_[which % clients_.size()];
        if (!client) return;
        std::array<char, 4096> read{};
        switch (what) {
        case 1: (void)::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); break;
        case 12: {
            std::array<char, 16 << 10> const much{};
            while (::send(client.get(), much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
            }
            break;
        }
        case 2: (void)::recv(client.get(), read.data(), read.size(), MSG_DONTWAIT); break;
        default:
            if (input.byte() % 2 == 0)
                ::shutdown(client.get(), SHUT_WR);
            else
                client.reset();
        }
    }

    void ask_for_connection(unsigned which, Input& input)
    {
        auto service = service_of(Port{static_cast<std::uint32_t>(input.value())});
        if (which % 2 != 0) {
            auto const bytes = std::as_bytes(input.bytes(16));
            std::memcpy(service.bytes.data(), bytes.data(), bytes.size());
        }
        Guid endpoint{};
        endpoint.bytes[15] = static_cast<std::uint8_t>(which / 2 % 4);
        auto const before = bus_.offers.size() + refused_;
        relay_->connect_requested(endpoint, service);
        require(bus_.offers.size() + refused_ == before + 1, "what the guest asks for is offered or refused");
        if (auto program = host().program.accepted()) clients_.push_back(std::move(program));
    }

    void step_of_guest(unsigned what, Offered& offer, Input& input)
    {
        if (what == 5) {
            auto const pages = 1 + input.below(16);
            if (!offer.channel && !offer.withdrawn) open(offer, pages);
            return;
        }
        if (!offer.channel) return;
        auto& channel = *offer.channel;
        switch (what) {
        case 6: write_data(channel, input); break;
        case 7: {
            hv::abi::PacketDescriptor descriptor{};
            descriptor.type = hv::abi::PacketType{input.byte()};
            descriptor.flags = input.byte();
            std::vector<std::byte> const header(std::size_t{8} * input.below(8));
            auto const bytes = std::as_bytes(input.counted_bytes());
            tidy(channel.to_host);
            channel.send(descriptor, header, bytes);
            break;
        }
        case 8: read_all(channel); break;
        case 13:
            for (auto left = input.below(32); left > 0; --left) {
                tidy(channel.to_host);
                if (!channel.send(packet_of(packet_data, 8 << 10, std::vector<std::byte>(8 << 10)))) break;
            }
            break;
        case 9: {
            auto const word = input.below(8);
            auto const& ring = word % 2 == 0 ? channel.to_host : channel.from_host;
            auto const value = static_cast<std::uint32_t>(input.value());
            spoil(ring, word / 2, value);
            offer.device->signalled();
            break;
        }
        default: offer.device->close(); break;
        }
    }

    static void spoil(hv::testing::GuestRing const& ring, unsigned word, std::uint32_t value)
    {
        switch (word) {
        case 0: ring.write_index() = value; break;
        case 1: ring.read_index() = value; break;
        case 2: ring.interrupt_mask() = value; break;
        default: ring.pending_send_size() = value; break;
        }
    }

    void open(Offered& offer, std::size_t pages)
    {
        offer.channel = std::make_shared<DeviceChannel>(pages);
        offer.channel->connect(offer.device.get());
        changing_.watch(offer.channel->pages()); // it stays until the end
        offer.device->open(offer.channel);
    }

    /// The indices may be anything when the device looks, but not when the guest's own side does.
    static void tidy(hv::testing::GuestRing const& ring)
    {
        ring.write_index() = ring.write_index() % ring.size() / 8 * 8;
        ring.read_index() = ring.read_index() % ring.size() / 8 * 8;
    }

    static void write_data(DeviceChannel& channel, Input& input)
    {
        auto const type = static_cast<std::uint32_t>(input.value());
        auto const size = static_cast<std::uint32_t>(input.value());
        auto const bytes = std::as_bytes(input.counted_bytes());
        tidy(channel.to_host);
        channel.send(packet_of(type == 0 ? packet_data : type,
                               size == 0 ? static_cast<std::uint32_t>(bytes.size()) : size, bytes));
    }

    static std::vector<std::byte> packet_of(std::uint32_t type, std::uint32_t size, std::span<std::byte const> bytes)
    {
        PacketHeader const header{type, size};
        std::vector<std::byte> packet(sizeof header + bytes.size());
        std::memcpy(packet.data(), &header, sizeof header);
        std::ranges::copy(bytes, packet.begin() + sizeof header);
        return packet;
    }

    static void read_all(DeviceChannel& channel)
    {
        auto const& ring = channel.from_host;
        tidy(ring);
        for (;;) {
            hv::abi::PacketDescriptor descriptor{};
            if (ring.used() < sizeof descriptor) return;
            for (std::size_t i = 0; i < sizeof descriptor; ++i)
                reinterpret_cast<std::byte*>(&descriptor)[i] = ring.data()[(ring.read_index() + i) % ring.size()];
            auto const length = std::size_t{descriptor.length8} * 8;
            bool const whole = descriptor.offset8 >= 2 && descriptor.length8 >= descriptor.offset8;
            if (!whole || length + 8 > ring.used()) return;
            (void)channel.receive();
        }
    }

    hv::fuzz::ChangingMemory changing_;
    KeepingBus bus_;
    std::size_t refused_ = 0;
    std::vector<UniqueFd> clients_;
    std::shared_ptr<Relay> relay_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world{input};
    return hv::fuzz::play(world, input);
}
