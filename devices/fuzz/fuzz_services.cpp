/// One device of those that need no backend of their own, over rings in memory that the guest may do anything to: an
/// integration service, the keyboard, the video device, the mouse, the balloon, or a connection of Hyper-V sockets
/// with a program at its other end.
///
/// The input's first byte says which (modulo 9: shutdown, heartbeat, time, key-value exchange, keyboard, socket,
/// video, mouse, balloon).
/// Steps follow, whose first byte says what (modulo 9); numbers called "value" are Input::value's:
///   0  the guest writes a packet: type, flags, offset of the payload in units of 8 bytes, length, and the bytes
///   1  the guest answers what it has read last: status (a value), what to XOR its first 96 bytes with: an offset and
///   a
///      value, and by how much to shorten it
///   2  the guest reads a packet
///   3  the host wants something: which, and a byte that says more
///   4  time passes: a value, in milliseconds, at most a minute
///   5  the guest writes a word of a ring's control page: which ring and word, a value; and signals
///   6  the guest closes the channel and opens it again, with rings of that many pages
///   7  memory will change: after so many loads (1 byte), by XOR with a value, so often (1 byte, modulo 8);
///      0 times: the guest refills the ring with a packet instead, of up to 128 bytes
///   8  the guest agrees with the versions that it is offered last; of other devices: says hello as a driver would
#include "devices/fuzz/balloon_steps.hpp"
#include "devices/fuzz/display_steps.hpp"
#include "devices/fuzz/flood.hpp"
#include "devices/fuzz/state.hpp"
#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/keyboard/keyboard.hpp"
#include "devices/vmbus/mouse/mouse.hpp"
#include "devices/vmbus/services/heartbeat.hpp"
#include "devices/vmbus/services/key_value.hpp"
#include "devices/vmbus/services/shutdown.hpp"
#include "devices/vmbus/services/time_sync.hpp"
#include "devices/vmbus/socket/connection.hpp"
#include "devices/vmbus/socket/protocol.hpp"
#include "devices/vmbus/video/video.hpp"
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/testing/inspected.hpp"

#include <array>
#include <sys/socket.h>

using namespace devices;
using namespace devices::vmbus;
using devices::testing::DeviceChannel;
using hv::testing::GuestPacket;
namespace fuzz = hv::fuzz;

namespace {

class World {
  public:
    explicit World(fuzz::Input& input)
    {
        make_device(input.below(9));
        open(4);
    }

    void step(fuzz::Input& input)
    {
        switch (input.below(9)) {
        case 0: return write_packet(input);
        case 1: return answer(input);
        case 2: last_ = receive(); return;
        case 3: return want(input);
        case 4: executor_.advance(std::chrono::milliseconds{std::min<std::uint64_t>(input.value(), 60'000)}); break;
        case 5: return write_control(input);
        case 6:
            device_->close();
            open(1 + input.below(16));
            break;
        case 7:
            if (!memory_->change_after(input)) flood(input);
            break;
        default: return agree();
        }
    }

    void end()
    {
        memory_->change_after(0, 0, 0);
        inspect();
        devices::testing::save_at_rest(*device_, executor_);
        device_->close();
        executor_.crank();
        fuzz::require(asked_ == told_, "each request is answered once");
        fuzz::require(channel_.use_count() == 1, "a closed channel is let go");
        // The time-outs of requests, the tick of a service, and what goes on later with a full ring.
        fuzz::require(executor_.waiting() <= asked_ + 2, "tasks do not pile up");
        fuzz::require(sockets_ended_ == sockets_made_, "a connection ends once, and with its channel");
    }

  private:
    void inspect() const
    {
        hv::testing::Inspected seen;
        device_->inspect(seen);
        auto const state = seen.at("state");
        bool const is_service = !keyboard_ && !is_socket_ && !balloon_;
        fuzz::require(!balloon_ || balloon_->status().has <=
                                       testing::GuestPages::at_start + testing::GuestPages::hot_add.count,
                      "a guest has no more memory than there is");
        fuzz::require(!is_service || !state.empty(), "a service says how far it is");
        fuzz::require(seen.at("heartbeat") != "ok" || state == "ready", "only a guest that has agreed can beat");
    }

    void make_device(std::uint32_t which)
    {
        switch (which) {
        case 0: device_ = shutdown_ = std::make_shared<ShutdownService>(executor_); break;
        case 1: device_ = std::make_shared<HeartbeatService>(executor_); break;
        case 2:
            device_ = std::make_shared<TimeSyncService>(executor_, [this] {
                ++clock_.reference;
                return clock_;
            });
            break;
        case 3: device_ = key_value_ = std::make_shared<KeyValueService>(executor_); break;
        case 4: device_ = keyboard_ = std::make_shared<Keyboard>(executor_); break;
        case 5: is_socket_ = true; break;
        case 6: make_video(); break;
        case 7: device_ = mouse_ = std::make_shared<Mouse>(executor_); break;
        default:
            device_ = balloon_ = std::make_shared<Balloon>(executor_, pages_, testing::GuestPages::layout());
            break;
        }
    }

    void make_video()
    {
        static std::vector<std::byte> memory(std::size_t{Video::memory_megabytes} << 20);
        screen_ = std::make_shared<display::Screen>(memory);
        auto video = std::make_shared<Video>(executor_, screen_,
                                             [](std::uint64_t address) { return address % hv::page_size == 0; });
        screen_->attach(video);
        device_ = std::move(video);
    }

    void open(std::size_t pages)
    {
        if (is_socket_) make_connection();
        memory_.reset();
        channel_ = std::make_shared<DeviceChannel>(pages);
        memory_ = std::make_unique<fuzz::ChangingMemory>();
        memory_->watch(channel_->pages());
        channel_->connect(device_.get());
        device_->open(channel_);
    }

    void make_connection()
    {
        std::array<int, 2> ends{};
        fuzz::require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0, "there are sockets");
        program_ = UniqueFd{ends[1]};
        ++sockets_made_;
        device_ = connection_ = std::make_shared<socket::Connection>(
            socket::Connection::Parts{1, UniqueFd{ends[0]}, "OK 1\n", poller_, [this] { ++sockets_ended_; }},
            executor_);
    }

    void write_packet(fuzz::Input& input)
    {
        hv::abi::PacketDescriptor descriptor{};
        descriptor.type = hv::abi::PacketType{input.byte()};
        descriptor.flags = input.byte();
        std::vector<std::byte> const header(std::size_t{8} * input.below(8));
        auto const bytes = input.counted_bytes();
        send(descriptor, header, std::as_bytes(bytes));
    }

    /// The indices may be anything when the device looks, but not when the guest's own side does.
    static void tidy(hv::testing::GuestRing const& ring)
    {
        ring.write_index() = ring.write_index() % ring.size() / 8 * 8;
        ring.read_index() = ring.read_index() % ring.size() / 8 * 8;
    }

    void send(hv::abi::PacketDescriptor descriptor, std::span<std::byte const> header,
              std::span<std::byte const> payload)
    {
        tidy(channel_->to_host);
        (void)channel_->send(descriptor, header, payload);
    }
    void send(std::span<std::byte const> payload)
    {
        hv::abi::PacketDescriptor descriptor{};
        descriptor.type = hv::abi::PacketType::DataInband;
        send(descriptor, {}, payload);
    }

    std::optional<GuestPacket> receive()
    {
        auto const& ring = channel_->from_host;
        tidy(ring);
        hv::abi::PacketDescriptor descriptor{};
        if (ring.used() < sizeof descriptor) return std::nullopt;
        for (std::size_t i = 0; i < sizeof descriptor; ++i)
            reinterpret_cast<std::byte*>(&descriptor)[i] = ring.data()[(ring.read_index() + i) % ring.size()];
        auto const length = std::size_t{descriptor.length8} * 8;
        if (descriptor.offset8 < 2 || descriptor.length8 < descriptor.offset8 || length + 8 > ring.used())
            return std::nullopt;
        return channel_->receive();
    }

    void flood(fuzz::Input& input)
    {
        auto const bytes = std::as_bytes(input.bytes(128));
        tidy(channel_->to_host);
        devices::testing::carry_out(
            {*device_, channel_->to_host, {hv::abi::PacketType::DataInband, 0, 0, 0, 0}, {}, bytes}, *memory_,
            executor_);
    }

    void answer(fuzz::Input& input)
    {
        auto const status = static_cast<std::uint32_t>(input.value());
        auto const offset = input.below(96);
        auto const change = input.value();
        auto const shorter = input.byte();
        if (!last_) return;
        auto payload = last_->payload;
        ic::Header header{};
        if (payload.size() < sizeof(ic::PipeHeader) + sizeof header) return;
        auto* const at = payload.data() + sizeof(ic::PipeHeader);
        std::memcpy(&header, at, sizeof header);
        header.flags = ic::flags::transaction | ic::flags::response;
        header.status = status;
        std::memcpy(at, &header, sizeof header);
        for (std::size_t i = 0; i < sizeof change && offset + i < payload.size(); ++i)
            payload[offset + i] ^= std::byte(change >> 8 * i);
        payload.resize(payload.size() - std::min<std::size_t>(shorter, payload.size()));
        send(payload);
    }

    void want(fuzz::Input& input)
    {
        auto const what = input.byte();
        auto const more = input.byte();
        auto const told = [this](auto const&) { ++told_; };
        using namespace std::chrono_literals;
        if (shutdown_) {
            ++asked_;
            shutdown_->request(ShutdownService::What{what % 3}, told);
        } else if (key_value_) {
            ++asked_;
            auto const pool = key_value::Pool{static_cast<std::uint8_t>(what / 4)};
            auto const kept = [this](KeyValueService::Result const& result) {
                ++told_;
                fuzz::require(result.pairs.size() <= KeyValueService::most_pairs, "pools are read only so far");
                fuzz::require((result.error == KeyValueService::Error::None) ==
                                  std::string_view{to_string(result.error)}.empty(),
                              "a request that fails says why");
            };
            // Of one to four bytes a character, which may be cut.
            constexpr std::string_view characters = "k\u00E4\u20AC\U0001F600\xFF";
            std::string key;
            while (key.size() < more)
                key += characters.substr(0, more - key.size());
            switch (what % 4) {
            case 0: key_value_->enumerate(pool, 5s, kept); break;
            case 1: key_value_->set(pool, key, key, 5s, kept); break;
            case 2: key_value_->remove(pool, key, 5s, kept); break;
            default: key_value_->addresses({}, 5s, kept); break;
            }
        } else if (keyboard_) {
            (void)keyboard_->strike(ScanCode{static_cast<std::uint16_t>(more << 8 | what)},
                                    Keyboard::Stroke{more % 2});
        } else if (mouse_) {
            (void)mouse_->report({static_cast<std::uint8_t>(what), more, what, static_cast<std::int16_t>(-more)});
        } else if (screen_) {
            testing::use_screen(*screen_, what);
        } else if (is_socket_) {
            want_of_socket(what, more);
        } else if (balloon_) {
            auto const pages = std::uint64_t{what} << 9;
            (void)balloon_->aim(pages, more % 2 == 0 ? balloon_->backing_for(pages) : 0);
        } else {
            clock_.wall += std::chrono::milliseconds{more};
        }
    }

    void want_of_socket(unsigned what, unsigned more)
    {
        std::string bytes(std::size_t{16} * more + 1, 'b');
        switch (what % 4) {
        case 0: (void)::send(program_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); break;
        case 1: (void)::recv(program_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT); break;
        case 2: ::shutdown(program_.get(), SHUT_WR); break;
        default: program_.reset(); break;
        }
        connection_->host_ready();
    }

    void write_control(fuzz::Input& input)
    {
        auto const which = input.byte();
        auto const& ring = which % 2 == 0 ? channel_->to_host : channel_->from_host;
        auto const value = static_cast<std::uint32_t>(input.value());
        switch (which / 2 % 5) {
        case 0: ring.write_index() = value; break;
        case 1: ring.read_index() = value; break;
        case 2: ring.interrupt_mask() = value; break;
        case 3: ring.pending_send_size() = value; break;
        default: ring.feature_bits() = value; break;
        }
        device_->signalled();
    }

    void agree()
    {
        if (keyboard_) {
            keyboard::ProtocolRequest const request{keyboard::MessageType::ProtocolRequest, keyboard::version_1_0};
            send(std::as_bytes(std::span{&request, 1}));
            return;
        }
        if (mouse_ || screen_) {
            for (auto const& greeting : mouse_ ? testing::mouse_greetings() : testing::video_greetings())
                send(greeting);
            return;
        }
        if (balloon_) {
            for (auto const& greeting : testing::balloon_greetings())
                send(greeting);
            executor_.crank();
            return;
        }
        if (is_socket_) {
            socket::PacketHeader const last{socket::packet_data, 0};
            send(std::as_bytes(std::span{&last, 1}));
            return;
        }
        auto const question = receive();
        if (!question) return;
        last_ = question;
        struct {
            ic::PipeHeader pipe;
            ic::Header header;
            ic::Negotiate counts;
            ic::Version framework, message;
        } reply{};
        auto const from = sizeof(ic::PipeHeader) + sizeof(ic::Header);
        if (question->payload.size() < from + sizeof(ic::Negotiate)) return;
        reply.header = question->as<ic::Header>(sizeof(ic::PipeHeader));
        auto const counts = question->as<ic::Negotiate>(from);
        if (counts.framework_count == 0 || counts.message_count == 0) return;
        auto const last = std::size_t{counts.framework_count} + counts.message_count - 1;
        if (question->payload.size() < from + sizeof counts + (last + 1) * sizeof(ic::Version)) return;
        reply.header.size = 16;
        reply.header.flags = ic::flags::response;
        reply.counts = {1, 1, 0};
        reply.framework = question->as<ic::Version>(from + sizeof counts);
        reply.message = question->as<ic::Version>(from + sizeof counts + last * sizeof(ic::Version));
        send(std::as_bytes(std::span{&reply, 1}));
    }

    hv::testing::CrankedExecutor executor_;
    std::shared_ptr<socket::Poller const> const poller_ = std::make_shared<socket::Poller>();
    TimeReading clock_{};
    std::shared_ptr<DeviceChannel> channel_;
    std::unique_ptr<fuzz::ChangingMemory> memory_;
    std::shared_ptr<hv::vmbus::ChannelDevice> device_;
    std::shared_ptr<ShutdownService> shutdown_;
    std::shared_ptr<KeyValueService> key_value_;
    std::shared_ptr<Keyboard> keyboard_;
    std::shared_ptr<Mouse> mouse_;
    std::shared_ptr<display::Screen> screen_; ///< of the video device
    testing::GuestPages pages_;
    std::shared_ptr<Balloon> balloon_;
    std::shared_ptr<socket::Connection> connection_;
    UniqueFd program_;
    bool is_socket_ = false;
    std::optional<GuestPacket> last_;
    std::size_t asked_ = 0;
    std::size_t told_ = 0;
    unsigned sockets_made_ = 0;
    unsigned sockets_ended_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    fuzz::Input input{{data, size}};
    World world{input};
    return fuzz::play(world, input);
}
