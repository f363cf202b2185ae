/// A tap device of the host: what the guest's card sends, what comes from the host, and the interface that is
/// changed, refuses or goes meanwhile.
///
/// The kernel is replaced in this program: a queue of the interface is one end of a pair of sockets. The first byte
/// says how many channels the card has (modulo 8, plus 1), and by bit 7 that the interface has several queues; the
/// next two a call that fails when the tap is attached (modulo 32; 0 is none) and its error. Steps follow. The first
/// byte says what (modulo 12); numbers called "value" are Input::value's:
///   0  the guest sends: channel, the 10 bytes of an Offload, pieces (modulo 4, plus 1), length, a value, the bytes
///   1  the host sends: queue, and the bytes with what stands before a frame: length, a value, and they
///   2  the host sends so many frames: queue, their number, a value for their size
///   3  the guest listens: for which offloads (bits 2:0); or, with bit 7, to nothing
///   4  the guest has room for so many frames (a value)
///   5  so many channels are open (modulo 10)
///   6  tasks are run on the backend's thread: how many
///   7  a call fails: after so many (1 byte), its error
///   8  the interface goes
///   9  the guest's side has no memory for what comes next
///  10  time passes: a value, in µs
///  11  the guest sends a frame of so many pieces (a value)
#include "devices/fuzz/lockstep.hpp"
#include "devices/fuzz/tun.hpp"
#include "devices/net/tap.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/testing/inspected.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

using namespace devices;
using namespace devices::net;
using devices::fuzz::Lockstep;
using devices::fuzz::Tun;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

using Bytes = std::vector<std::byte>;

constexpr std::size_t header = sizeof(Offload);
constexpr std::array errors{EINTR, EAGAIN, EBADFD, EIO, ENOMEM, EINVAL, EBUSY, EPERM, ENOENT, ENODEV, EACCES, EMFILE};

void require_one_line(std::string_view text)
{
    require(!text.empty() && text.find('\n') == std::string_view::npos, "a complaint is one line");
}

/// The guest's card.
class Card final : public FrameReceiver {
  public:
    explicit Card(Tun& host) : host_{host} {}

    [[nodiscard]] bool receive(FrameSource& source) override
    {
        require(listens, "a guest that does not listen is brought no frame");
        require(!was_lost, "nor one that was told that its network has gone");
        if (std::exchange(fails, false)) throw std::bad_alloc{};
        for (; room > 0; --room) {
            Offload offload;
            Bytes frame(largest_frame);
            std::array const pieces{iovec{frame.data(), 14}, iovec{frame.data() + 14, frame.size() - 14}};
            auto const size = source.read(offload, pieces);
            if (size == 0) return true;
            require(size <= largest_frame, "a frame is no longer than one may be");
            frame.resize(size);
            expect(offload, frame);
        }
        return false;
    }
    void lost() override
    {
        require(!was_lost, "a network goes once");
        was_lost = true;
    }

    bool listens = false;
    bool fails = false;
    bool was_lost = false;
    std::size_t room = 1000;

  private:
    void expect(Offload const& offload, Bytes const& frame)
    {
        auto& waiting = host_.read_last->waiting;
        require(!waiting.empty(), "there is no frame but those of the host");
        auto const& next = waiting.front();
        require(frame.size() == std::min(next.size() - header, largest_frame),
                "a frame comes whole, as far as it may");
        require(std::memcmp(&offload, next.data(), header) == 0 &&
                    std::equal(frame.begin(), frame.end(), next.begin() + header),
                "a queue's frames come as they are, in order");
        waiting.pop_front();
    }

    Tun& host_;
};

class World {
  public:
    explicit World(Input& input) : World{input.byte(), input} {}
    World(unsigned how, Input& input) : several_queues_{(how & 0x80) != 0}, channels_{how % 8 + 1}
    {
        auto const failing = input.below(32);
        auto const which_error = input.byte();
        if (failing != 0) fail_after(failing - 1, which_error);
        try {
            tap_ = std::make_unique<Tap>("tap0", channels_, [this](std::string const& text) {
                require_one_line(text);
                require(++reports_ == 1, "that a tap has gone is said once");
            });
        } catch (std::runtime_error const& error) {
            require_one_line(error.what());
            return;
        }
        tun_.fail_no_more();
        require(tun_.queues.size() == (several_queues_ ? channels_ : 1), "each channel has a queue");
        tap_->start(card_);
        lockstep_.settle();
    }
    void step(Input& input)
    {
        if (!tap_) return (void)input.byte();
        switch (input.below(12)) {
        case 0: guest_sends(input); break;
        case 1: {
            auto const queue = input.byte();
            host_sends(queue, std::as_bytes(input.counted_bytes()));
            break;
        }
        case 2: host_sends_many(input); break;
        case 3: listen(input.byte()); break;
        case 4:
            card_.room = input.value();
            tap_->room_again();
            break;
        case 5:
            open_channels_ = input.below(10);
            tap_->use_channels(open_channels_);
            break;
        case 6:
            for (auto tasks = input.byte(); tasks > 0; --tasks, ++asked_)
                tap_->runner()->run([this] { ++run_; });
            break;
        case 7: {
            auto const calls = input.byte();
            fail_after(calls, input.byte());
            break;
        }
        case 8: tun_.gone = true; break;
        case 9: card_.fails = true; break;
        case 10: fuzz::pass(std::chrono::microseconds{input.value() % 10'000'000}); break;
        default: guest_sends_pieces(input.value() % 1024); break;
        }
        lockstep_.settle();
        check();
    }

    void end()
    {
        if (!tap_) return;
        lockstep_.release();
        tap_->stop();
        tap_.reset();
    }

  private:
    void fail_after(unsigned calls, unsigned error) { tun_.fail_after(calls, errors[error % errors.size()]); }

    void host_sends(unsigned queue, std::span<std::byte const> bytes)
    {
        if (!bytes.empty()) tun_.send(queue, {bytes.begin(), bytes.end()});
    }
    void host_sends_many(Input& input)
    {
        auto const queue = input.byte();
        auto const count = input.byte();
        Bytes frame(header + 1 + input.value() % (largest_frame + 100));
        for (unsigned i = 0; i < count; ++i) {
            frame.back() = static_cast<std::byte>(i);
            tun_.send(queue + i, frame);
        }
    }

    void listen(unsigned how)
    {
        card_.listens = (how & 0x80) == 0;
        if (!card_.listens) return tap_->ignore();
        tap_->listen({.checksum = (how & 1) != 0, .large4 = (how & 2) != 0, .large6 = (how & 4) != 0});
        if (!std::exchange(listened_, true)) tun_.forget_waiting(); // which come from before
    }

    void guest_sends(Input& input)
    {
        auto const channel = input.byte();
        Offload offload;
        auto const words = input.bytes(header);
        std::memcpy(&offload, words.data(), words.size());
        auto const count = 1 + input.below(4);
        auto const bytes = std::as_bytes(input.counted_bytes());
        Bytes frame{bytes.begin(), bytes.end()};
        std::vector<iovec> pieces;
        for (unsigned i = 0; i < count; ++i) {
            auto const from = frame.size() * i / count;
            pieces.push_back({frame.data() + from, frame.size() * (i + 1) / count - from});
        }
        if (!tap_->send_on(channel, offload, pieces)) return;
        require(!tun_.gone, "a tap that has gone takes no frame");
        auto const received = tun_.receive(channel, header + frame.size() + 1);
        require(received.size() == header + frame.size(), "what a guest sends goes whole to its queue");
        require(std::memcmp(received.data(), &offload, header) == 0 &&
                    std::equal(frame.begin(), frame.end(), received.begin() + header),
                "and as it is");
    }
    void guest_sends_pieces(std::size_t count)
    {
        std::byte byte{};
        std::vector<iovec> const pieces(count, iovec{&byte, 1});
        if (!tap_->send({}, pieces)) return;
        require(tun_.receive(0, header + count + 1).size() == header + count, "a frame of many pieces is one");
    }

    void check()
    {
        require(run_ == asked_, "each task is run once");
        if (tun_.gone) require(card_.was_lost, "a guest learns that its tap has gone");
        require((reports_ == 1) == card_.was_lost, "and so does the user");
        if (!card_.listens) listened_ = false;
        if (card_.was_lost) return;
        if (card_.listens && card_.room > 0 && !tun_.will_fail())
            require(tun_.waiting() == 0, "no frame waits while its guest has room");
        auto const attached = std::ranges::count_if(tun_.queues, [](auto const& queue) { return queue->attached; });
        require(attached >= 1, "one queue is always in use");
        hv::testing::Inspected seen;
        tap_->inspect(seen);
        require(seen.at("gone") == "false" && seen.at("queues") == std::to_string(tun_.queues.size()),
                "it says what is so");
    }

    bool const several_queues_;
    std::size_t const channels_;
    Lockstep lockstep_;
    Tun tun_{several_queues_};
    Card card_{tun_};
    std::size_t open_channels_ = 1;
    unsigned reports_ = 0;
    unsigned asked_ = 0;
    unsigned run_ = 0;
    bool listened_ = false;
    std::unique_ptr<Tap> tap_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world{input};
    return hv::fuzz::play(world, input);
}
