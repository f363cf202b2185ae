/// A user-mode network's process that somebody else has taken over, against the end of its link that is Porthole's:
/// it writes anything into the memory that both have, at any time, and sends any messages.
///
/// The first byte's bit 0: the guest listens from the start. Steps follow. The first byte says what (modulo 10), and
/// with bit 7 that Porthole's thread has no time before the next step; numbers called "value" are Input::value's:
///   0  a frame as a network brings it: its length, a value, and so many bytes longer, a value
///   1  the ring's memory: where, a value; length, a value, and the bytes
///   2  how far the frames go that were brought: a value
///   3  how many of the guest's frames were taken: a value
///   4  a message: its kind, 1 byte; length, a value, and the text
///   5  as many Wakes: a value
///   6  the guest sends a frame: length, a value
///   7  the guest has room for so many frames, a value, and says so
///   8  the guest listens (even) or does not
///   9  it ends
#include "devices/fuzz/lockstep.hpp"
#include "devices/net/user_network.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <poll.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace devices::net;
using devices::UniqueFd;
using devices::fuzz::Lockstep;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

class Guest final : public FrameReceiver {
  public:
    [[nodiscard]] bool receive(FrameSource& source) override
    {
        require(may_listen && !was_lost, "a guest that does not listen, or has no network, is brought no frame");
        std::vector<std::byte> frame(largest_frame);
        std::array const pieces{iovec{frame.data(), 14}, iovec{frame.data() + 14, frame.size() - 14}};
        for (;;) {
            if (room == 0) return false;
            Offload offload;
            auto const size = source.read(offload, pieces);
            if (size == 0) return true;
            require(size <= largest_frame, "no frame is longer");
            require(offload == Offload{.flags = Offload::checksum_valid}, "and none is believed to be more");
            --room;
        }
    }
    void lost() override { require(!std::exchange(was_lost, true), "a network goes once"); }

    bool may_listen = false;
    bool was_lost = false;
    std::uint64_t room = 100;
};

class World {
  public:
    explicit World(Input& input)
    {
        end_.start(guest_);
        listen((input.byte() & 1) != 0);
        lockstep_.settle();
    }

    void step(Input& input)
    {
        auto const what = input.byte();
        switch ((what & 0x7F) % 10) {
        case 0: bring(input); break;
        case 1: {
            auto const at = input.value() % LinkMemory::to_guest_size;
            auto const bytes = std::as_bytes(input.counted_bytes());
            auto const room = memory_.to_guest().subspan(at);
            std::ranges::copy(bytes.first(std::min(bytes.size(), room.size())), room.begin());
            break;
        }
        case 2: memory_.head().to_guest.put.store(static_cast<std::uint32_t>(input.value())); break;
        case 3: memory_.head().to_network.taken.store(static_cast<std::uint32_t>(input.value())); break;
        case 4: {
            auto const kind = static_cast<LinkMessage>(input.byte());
            auto const text = input.counted_bytes();
            socket_.send(kind, {reinterpret_cast<char const*>(text.data()), text.size()});
            break;
        }
        case 5:
            for (auto count = input.value() % 64; count > 0; --count)
                socket_.send(LinkMessage::Wake);
            break;
        case 6: {
            std::vector<std::byte> frame(input.value() % (largest_frame + 2));
            iovec const whole{frame.data(), frame.size()};
            auto const taken = end_.send({}, {&whole, 1});
            if (taken) require(frame.size() <= largest_frame, "a frame that is too long is not sent");
            break;
        }
        case 7:
            guest_.room = input.value();
            end_.room_again();
            break;
        case 8: listen(input.byte() % 2 == 0); break;
        default: socket_ = LinkSocket{UniqueFd{}}; break;
        }
        if ((what & 0x80) == 0) lockstep_.settle();
    }

    void end()
    {
        lockstep_.settle();
        lockstep_.release();
        end_.stop();
    }

  private:
    void bring(Input& input)
    {
        auto const length = input.value() % 64;
        std::vector<std::byte> frame(std::min<std::size_t>(length + input.value() % largest_frame, largest_frame));
        iovec const whole{frame.data(), frame.size()};
        if (to_guest_.put({}, {&whole, 1}, frame.size()) && to_guest_.publish()) socket_.send(LinkMessage::Wake);
    }

    void listen(bool wanted)
    {
        guest_.may_listen = guest_.may_listen || wanted; // it may have begun before it is told not to
        if (wanted)
            end_.listen({});
        else
            end_.ignore();
    }

    void warned(std::string const& text)
    {
        require(std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; }),
                "a warning is one plain line");
        require(++warnings_ <= 17, "there are few warnings, and one of the end");
    }

    Lockstep lockstep_;
    LinkPair link_ = make_link();
    LinkMemory memory_{link_.network.memory.get()};
    LinkSocket socket_{std::move(link_.network.socket)};
    FrameWriter to_guest_{memory_.head().to_guest, memory_.to_guest()};
    bool ready_ = socket_.send(LinkMessage::Ready);
    unsigned warnings_ = 0;
    Guest guest_;
    UserNetwork end_{std::move(link_.vmm), nullptr, [this](auto const& text) { warned(text); }};
};

} // namespace

/// Stands for the C library's.
extern "C" int poll(pollfd* polled, nfds_t count, int timeout)
{
    auto const look = [&](int some_time) { return static_cast<int>(::syscall(SYS_poll, polled, count, some_time)); };
    auto* const lockstep = Lockstep::current();
    return lockstep ? lockstep->wait(look, timeout) : look(timeout);
}

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world{input};
    return hv::fuzz::play(world, input);
}
