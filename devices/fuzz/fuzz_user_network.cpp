/// The user-mode network between a guest that sends any frames and a world outside that says anything: through the
/// real libslirp, whose system calls are replaced (outside.hpp), so that nothing leaves this program.
///
/// The first byte says which ports of the host are forwarded: bit n has `forwards[n]`. Then, as in a step, a call
/// that fails when the network is made: bit 7 of the next byte, after bits 6:0 calls, and which of its errors. Steps
/// follow. The first byte says what (modulo 12), and with bit 7 that the network has no time before the next step;
/// numbers called "value" are Input::value's:
///   0  the guest sends a frame: how (see `send`), how many bytes longer it is than what follows, a value; length, a
///      value, and the bytes
///   1  the same frame again, so often
///   2  the guest listens (even) or does not
///   3  the guest has room for so many frames, a value
///   4  somebody outside says: who, length, a value, and the bytes
///   5  somebody says much: who, so many bytes, a value
///   6  somebody takes all that it was sent: who
///   7  somebody says no more (even) or goes (odd): who, 1 byte
///   8  somebody connects to a forwarded port: which
///   9  a call fails: after so many (1 byte), which of its errors
///  10  time passes: a value, in ms
///  11  the guest's side has no memory for the next frame
#include "devices/fuzz/lockstep.hpp"
#include "devices/fuzz/outside.hpp"
#include "devices/net/checksum.hpp"
#include "devices/net/slirp_network.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <map>
#include <memory>
#include <new>
#include <poll.h>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace devices;
using namespace devices::net;
using devices::fuzz::Outside;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

using Bytes = std::vector<std::byte>;

constexpr std::array forwards{"tcp::2222-:22", "udp:127.0.0.1:5353-:53", "tcp:[::1]:2223-:22",
                              "udp:[::]:53-[fec0::15]:53", "tcp:127.0.0.1:80-10.0.2.15:80"};

unsigned at(std::span<std::byte const> frame, std::size_t offset)
{
    return offset < frame.size() ? std::to_integer<unsigned>(frame[offset]) : 0;
}
unsigned word_at(std::span<std::byte const> frame, std::size_t offset)
{
    return at(frame, offset) << 8 | at(frame, offset + 1);
}
std::uint32_t long_at(std::span<std::byte const> frame, std::size_t offset)
{
    return std::uint32_t{word_at(frame, offset)} << 16 | word_at(frame, offset + 2);
}
void put_word(Bytes& frame, std::size_t offset, std::size_t number)
{
    if (offset + 2 > frame.size()) return;
    frame[offset] = static_cast<std::byte>(number >> 8);
    frame[offset + 1] = static_cast<std::byte>(number);
}
void put_long(Bytes& frame, std::size_t offset, std::uint32_t number)
{
    put_word(frame, offset, number >> 16);
    put_word(frame, offset + 2, number);
}

/// The Internet checksum's sum (RFC 1071) of these bytes, on top of what there is.
std::uint32_t sum(std::span<std::byte const> bytes, std::uint32_t total = 0)
{
    for (std::size_t i = 0; i < bytes.size(); i += 2)
        total += word_at(bytes, i);
    while (total >> 16 != 0)
        total = (total & 0xFFFF) + (total >> 16);
    return total;
}

constexpr std::size_t network_at = 14;
constexpr unsigned tcp = 6;
constexpr unsigned udp = 17;

/// Where a frame's parts are. Options and extensions are content like any other.
struct Layout {
    bool six = false;
    std::size_t transport_at = 0; ///< 0: neither IPv4 nor IPv6
    unsigned protocol = 0;

    explicit Layout(std::span<std::byte const> frame)
    {
        auto const type = word_at(frame, 12);
        six = type == 0x86DD;
        if (type == 0x0800) transport_at = network_at + (at(frame, network_at) & 0xF) * 4;
        if (six) transport_at = network_at + 40;
        if (transport_at != 0) protocol = at(frame, network_at + (six ? 6 : 9));
    }
};

/// What each end of a TCP connection, by the guest's port, expects next.
struct Expected {
    std::uint32_t from_guest = 0;
    std::uint32_t from_network = 0;
};

class Guest {
  public:
    void receive(std::span<std::byte const> frame)
    {
        require(!was_lost, "a network that has failed brings nothing");
        if (std::exchange(fails, false)) throw std::bad_alloc{};
        if (!listens || room == 0) return;
        --room;
        require(frame.size() >= network_at && frame.size() <= largest_frame, "a frame has a header, and an end");
        follow(frame);
    }

    bool listens = false;
    bool fails = false;
    bool was_lost = false;
    std::uint64_t room = 1000;
    std::map<unsigned, Expected> expected;

  private:
    void follow(std::span<std::byte const> frame)
    {
        Layout const layout{frame};
        if (layout.protocol != tcp) return;
        auto const begin = layout.transport_at;
        auto const flags = at(frame, begin + 13);
        auto const end =
            network_at + (layout.six ? 40 + word_at(frame, network_at + 4) : word_at(frame, network_at + 2));
        auto const data = begin + (at(frame, begin + 12) >> 4) * 4;
        auto& expected_here = expected[word_at(frame, begin + 2)];
        expected_here.from_guest = long_at(frame, begin + 8);
        expected_here.from_network = long_at(frame, begin + 4) +
                                     static_cast<std::uint32_t>(end > data ? end - data : 0) +
                                     (flags & 3 ? 1 : 0); // SYN and FIN count
    }
};

class World {
  public:
    explicit World(Input& input)
    {
        std::vector<PortForward> wanted;
        auto const which = input.byte();
        for (std::size_t i = 0; i < forwards.size(); ++i)
            if ((which >> i & 1) != 0) wanted.push_back(parse_port_forward(forwards[i]));
        auto const failing = input.byte();
        auto const error = input.byte();
        if ((failing & 0x80) != 0) outside_.fail_after(failing & 0x7F, error);
        try {
            network_ = std::make_unique<SlirpNetwork>(
                wanted, [this](auto frame) { guest_.receive(frame); }, [this](auto const& text) { warned(text); });
        } catch (std::exception const& complaint) {
            require_one_line(complaint.what());
            return;
        }
        if ((failing & 0x80) == 0) outside_.fail_no_more();
        settle();
    }
    World(World const&) = delete;
    World& operator=(World const&) = delete;

    void step(Input& input)
    {
        auto const what = input.byte();
        if (!network_) return;
        switch ((what & 0x7F) % 12) {
        case 0: send(input); break;
        case 1:
            for (auto times = input.byte(); times > 0; --times)
                send_last();
            break;
        case 2: guest_.listens = input.byte() % 2 == 0; break;
        case 3: guest_.room = input.value(); break;
        case 4: {
            auto const who = input.byte();
            outside_.say(who, std::as_bytes(input.counted_bytes()));
            break;
        }
        case 5: {
            auto const who = input.byte();
            outside_.say_much(who, input.value() % (256 << 10));
            break;
        }
        case 6: outside_.take_all(input.byte()); break;
        case 7: {
            auto const who = input.byte();
            if (input.byte() % 2 == 0)
                outside_.say_no_more(who);
            else
                outside_.go(who);
            break;
        }
        case 8: outside_.connect_from_outside(input.byte()); break;
        case 9: {
            auto const calls = input.byte();
            outside_.fail_after(calls, input.byte());
            break;
        }
        case 10: fuzz::pass(std::chrono::milliseconds{input.value() % 1'000'000}); break;
        default: guest_.fails = true; break;
        }
        if ((what & 0x80) == 0) settle();
    }

    void end()
    {
        if (network_) {
            outside_.fail_no_more();
            settle();
            network_.reset();
        }
        outside_.end();
        for (auto const fd : std::set<int>{outside_.descriptors().begin(), outside_.descriptors().end()})
            require(::fcntl(fd, F_GETFD) == -1, "a network that has gone has left no socket");
    }

  private:
    static void require_one_line(std::string_view text)
    {
        require(!text.empty() && text.find('\n') == std::string_view::npos, "a complaint is one line");
    }
    void warned(std::string const& text)
    {
        require_one_line(text);
        require(said_.insert(text).second, "the same is said once");
    }

    /// Has it work until it would wait for something that has not happened, as its process does.
    void settle()
    {
        constexpr unsigned most_turns = 100'000;
        unsigned turns = 0;
        while (!guest_.was_lost && turn())
            require(++turns < most_turns, "a network comes to rest");
    }

    /// Whether it had anything to do.
    bool turn()
    {
        std::vector<pollfd> polled;
        auto worked = false;
        attempt([&] {
            auto const timeout = network_->add_polled(polled);
            auto const ready = ::poll(polled.data(), polled.size(), 0);
            worked = ready != 0 || timeout == 0;
            network_->work(polled, ready < 0);
        });
        return worked;
    }

    /// What it throws ends it, as it ends its process.
    template <typename Call>
    void attempt(Call call)
    {
        try {
            call();
        } catch (std::exception const& error) {
            require_one_line(error.what());
            guest_.was_lost = true;
        }
    }

    /// How: bit 0 has lengths and IPv4's checksum filled in; bit 1 leaves the checksum of TCP or UDP to the network;
    /// bit 2 fills it in; bit 3 has TCP's numbers follow those of the connection.
    void send(Input& input)
    {
        auto const how = input.byte();
        auto const more = input.value() % (largest_frame + 2);
        auto const bytes = std::as_bytes(input.counted_bytes());
        frame_.assign(bytes.begin(), bytes.end());
        frame_.resize(frame_.size() + more, std::byte{0x5A});
        offload_ = {};
        Layout const layout{frame_};
        if (layout.transport_at != 0 && frame_.size() >= network_at + (layout.six ? 40 : 20) &&
            layout.transport_at < frame_.size()) {
            if ((how & 8) != 0 && layout.protocol == tcp) follow(layout);
            if ((how & 1) != 0) fill_in_lengths(layout);
            if ((how & 6) != 0) fill_in_checksum(layout, (how & 2) != 0);
        }
        send_last();
    }

    void follow(Layout const& layout)
    {
        auto const found = guest_.expected.find(word_at(frame_, layout.transport_at));
        if (found == guest_.expected.end()) return;
        put_long(frame_, layout.transport_at + 4, found->second.from_guest);
        put_long(frame_, layout.transport_at + 8, found->second.from_network);
    }

    void fill_in_lengths(Layout const& layout)
    {
        auto const length = frame_.size() - network_at;
        if (layout.protocol == udp) put_word(frame_, layout.transport_at + 4, frame_.size() - layout.transport_at);
        if (layout.six) return put_word(frame_, network_at + 4, length - 40);
        put_word(frame_, network_at + 2, length);
        put_word(frame_, network_at + 10, 0);
        auto const header = std::span{frame_}.subspan(network_at, layout.transport_at - network_at);
        put_word(frame_, network_at + 10, ~sum(header));
    }

    /// With the pseudo-header of RFC 9293 3.1 or RFC 8200 8.1; without it for ICMP of IPv4.
    void fill_in_checksum(Layout const& layout, bool by_network)
    {
        constexpr unsigned icmp = 1;
        constexpr unsigned icmp6 = 58;
        auto const field = layout.protocol == tcp ? 16U : layout.protocol == udp ? 6U : 2U;
        auto const transport = std::span{frame_}.subspan(layout.transport_at);
        if (field + 2 > transport.size()) return;
        auto const addresses = layout.six ? std::span{frame_}.subspan(network_at + 8, 32)
                                          : std::span{frame_}.subspan(network_at + 12, 8);
        auto const length = static_cast<std::uint32_t>(transport.size());
        auto const pseudo = layout.protocol == icmp ? 0 : sum(addresses, layout.protocol + length);
        put_word(frame_, layout.transport_at + field, pseudo);
        if (!by_network || layout.protocol == icmp || layout.protocol == icmp6) {
            put_word(frame_, layout.transport_at + field, 0);
            put_word(frame_, layout.transport_at + field, ~sum(transport, pseudo));
            return;
        }
        offload_.flags = Offload::needs_checksum;
        offload_.checksum_start = static_cast<std::uint16_t>(layout.transport_at);
        offload_.checksum_offset = static_cast<std::uint16_t>(field);
    }

    void send_last()
    {
        if (frame_.empty() || frame_.size() > largest_frame || guest_.was_lost) return; // no ring brings those
        auto frame = frame_;
        iovec const whole{frame.data(), frame.size()};
        auto offload = offload_;
        if ((offload.flags & Offload::needs_checksum) != 0)
            devices::net::fill_in_checksum(offload, {&whole, 1}, frame.size());
        attempt([&] { static_cast<void>(network_->input(frame)); });
    }

    Outside outside_;
    Guest guest_;
    Bytes frame_;
    Offload offload_;
    std::set<std::string> said_;
    std::unique_ptr<SlirpNetwork> network_;
};

} // namespace

/// libslirp 4.7 forgets packets that wait when a network ends. Nothing else here uses glib.
extern "C" char const* __lsan_default_suppressions();
extern "C" char const* __lsan_default_suppressions()
{
    return "leak:g_malloc";
}

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world{input};
    return hv::fuzz::play(world, input);
}
