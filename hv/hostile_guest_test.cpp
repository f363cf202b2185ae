/// Guests that do what they like, on several VPs at once: whatever it is, the model answers, stays whole, and gives
/// back all it was lent. Meant for AddressSanitizer and ThreadSanitizer.
#include "hv/hypercall/call_info.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/monitor_host.hpp"
#include "hv/testing/threads.hpp"

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;

namespace {

constexpr unsigned vps = 2;

/// Values at the edges of what the interface checks, and some in between.
std::uint64_t any_value(Choices& choices)
{
    constexpr std::uint64_t edges[]{0,      1,      2,           7,      8,       15,         16,    255,
                                    0x1001, 0x3001, 0x3F001,     0x3FF8, 0x40001, 0x10000,    2047,  2048,
                                    0xFFFF, 240,    0xFF'FFFF,   241,    1 << 24, 0xFEE00001, 65535, 0x8000'0000,
                                    0x2003, 0x6001, 0xFFFF'FFFF, 0x4001, 0x5001,  0x7001,     0xE6,  0xFFFF'FFFE};
    switch (choices.below(6)) {
    case 0: return ~std::uint64_t{0};
    case 1: return std::uint64_t{1} << choices.below(64);
    case 2: return ~edges[choices.below(std::size(edges))];
    case 3: return std::uint64_t{choices.below(1U << 31)} << 32 | choices.below(1U << 31);
    default: return edges[choices.below(std::size(edges))];
    }
}

/// One VP of a guest that has every right.
class HostileVp {
  public:
    HostileVp(TestGuest& guest, unsigned index, std::uint64_t peer)
        : guest_{guest},
          vp_{guest.vp(index)},
          control_{*guest.controls[index]},
          peer_{peer},
          choices_{peer * 8 + index}
    {}

    void act()
    {
        switch (choices_.below(4)) {
        case 0: access_msr(); break;
        case 1: scribble(); break;
        default: make_call(); break;
        }
        if (control_.deadline && choices_.below(4) == 0) vp_.expire_timers();
    }

  private:
    void access_msr()
    {
        auto const number = abi::msr::first + choices_.below(0x120);
        if (number == abi::msr::crash_ctl || number == abi::msr::reset) return;
        if (choices_.below(8) == 0)
            (void)vp_.read_msr(number);
        else
            (void)vp_.write_msr(number, any_value(choices_));
    }

    /// Writes anywhere, as its other VPs do at the same time.
    void scribble()
    {
        auto const at = choices_.below(TestGuest::pages * page_size / 8) * 8;
        auto const word = choices_.below(2) == 0 ? 0 : any_value(choices_);
        __atomic_store_n(reinterpret_cast<std::uint64_t*>(guest_.ram.get() + at), word, __ATOMIC_RELAXED);
    }

    void make_call()
    {
        auto const table = call_table();
        auto const& call = table[choices_.below(static_cast<std::uint32_t>(table.size()))];
        std::array<std::uint64_t, 32> input = plausible(call.code);
        if (choices_.below(3) == 0)
            input[choices_.below(call.input_size / 8 + 1U) % input.size()] = any_value(choices_);

        auto control = static_cast<std::uint64_t>(call.code);
        if (choices_.below(4) == 0) control |= 1U << 16;
        if (choices_.below(16) == 0) control ^= any_value(choices_);
        std::memcpy(control_.xmm.data(), input.data() + 2, control_.xmm.size());
        auto const fast = (control >> 16 & 1) != 0;
        auto at = place::input + 256 * vp_.index().value;
        if (choices_.below(16) == 0) at = any_value(choices_);
        (void)guest_.memory.write(Gpa{at & ~std::uint64_t{7}}, input);
        (void)dispatch(vp_, {{control}, fast ? input[0] : at, fast ? input[1] : place::output});
    }

    /// An input that may well succeed: few IDs, so that the two guests keep meeting.
    std::array<std::uint64_t, 32> plausible(abi::CallCode code)
    {
        using enum abi::CallCode;
        std::array<std::uint64_t, 32> input{};
        auto const id = choices_.below(4);
        auto const self = choices_.below(2) == 0 ? self_partition.value : guest_.partition->id().value;
        auto const message = id < 2;
        auto const type = std::uint64_t{message ? 1U : 2U};
        switch (code) {
        case CreatePort:
        case CreatePortVtl:
            if (id == 3) return {self, id, peer_, 3, 0x2'0000, 0}; // a monitor port
            input[0] = self;
            input[1] = id;
            input[2] = peer_;
            input[3] = type;
            input[4] = (1 + choices_.below(15)) | std::uint64_t{choices_.below(2)} << 32;
            if (choices_.below(4) == 0) input[4] |= std::uint64_t{0xFFFF'FFFF} << 32;
            if (!message) input[5] = choices_.below(2000) | std::uint64_t{1 + choices_.below(60)} << 16;
            break;
        case ConnectPort:
        case ConnectPortVtl:
            input[0] = self;
            input[1] = id;
            input[2] = peer_;
            input[3] = id;
            input[4] = id == 3 ? code == ConnectPort ? 0x3'0000 : 3 : type;
            if (id == 3 && code == ConnectPortVtl) input[5] = 0x3'0000;
            break;
        case DeletePort:
        case DisconnectPort:
            input[0] = self;
            input[1] = id;
            break;
        case PostMessage:
            input[0] = id;
            input[1] = (1 + choices_.below(100)) | std::uint64_t{choices_.below(241)} << 32;
            break;
        case SignalEvent: input[0] = id | std::uint64_t{choices_.below(60)} << 32; break;
        case GetPortProperty:
        case SetPortProperty:
            input[0] = self;
            input[1] = id;
            input[2] = choices_.below(3);
            input[3] = choices_.below(3);
            break;
        default: break;
        }
        return input;
    }

    TestGuest& guest_;
    VirtualProcessor& vp_;
    FakeVpControl& control_;
    std::uint64_t peer_;
    Choices choices_;
};

} // namespace

TEST_CASE("two hostile guests, each on several VPs, get answers and nothing else", "[threads][hostile]")
{
    PartitionRegistry registry;
    RecordingMonitorHost host;
    registry.monitors().set_host(&host);
    TestGuest one{registry, Rights::root(), vps};
    TestGuest two{registry, Rights::root(), vps};
    auto const one_id = one.partition->id();
    auto const two_id = two.partition->id();
    std::atomic<std::uint64_t> acts{0};

    std::vector<std::function<void()>> bodies;
    for (auto* const guest : {&one, &two}) {
        auto const peer = guest == &one ? two_id.value : one_id.value;
        for (unsigned index = 0; index < vps; ++index) {
            bodies.emplace_back([&, guest, index, peer] {
                Patience const time{1200ms};
                HostileVp vp{*guest, index, peer};
                for (; time.lasts(); ++acts)
                    vp.act();
            });
        }
    }
    bodies.emplace_back([&] { // the machine's retry timers
        Patience const time{1200ms};
        while (time.lasts()) {
            for (auto* const guest : {&one, &two}) {
                for (unsigned index = 0; index < vps; ++index)
                    guest->vp(index).synic().scan_queues();
            }
            (void)registry.monitors().scan(MonitorScanner::Clock::now());
            std::this_thread::yield();
        }
    });
    run_together(bodies);
    CHECK(acts > 100);

    // Each pool has again what it had, but for the tables' nodes.
    for (auto* const guest : {&one, &two}) {
        auto& pool = guest->partition->pool();
        registry.remove(*guest->partition);
        constexpr std::uint64_t node = 2048;
        CHECK(((std::uint64_t{64} << 20) - pool.free_bytes()) % node == 0);
    }
}
