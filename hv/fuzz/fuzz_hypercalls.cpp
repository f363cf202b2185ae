/// Three guests of two VPs each that make any hypercalls, over memory that changes while it is read.
///
/// The input is a list of steps. A step's first byte says what (bits 2:0), which guest (bits 4:3, modulo 3) and which
/// VP (bit 5); numbers called "value" are Input::value's:
///   0  a call as it comes: 8 bytes for RCX, a value for RDX, a value for R8
///   1  a known call with its input in memory: its code, a value, or that of a call below; for calls with a list, its
///      length and start; then the input, a value for each 32 bits
///   2  the same as a fast call, XMM registers included
///   3  WRMSR: 2 bytes for the number, a value
///   4  RDMSR: 2 bytes for the number
///   5  a write to memory: page, 2 bytes for the offset in it, length, and the bytes
///   6  time passes: 2 bytes, in microseconds; then timers expire, queues and monitor pages are looked at
///   7  memory will change: after so many loads (1 byte), by XOR with a value, so often (1 byte, modulo 8)
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/fuzz/pool_account.hpp"
#include "hv/hypercall/call_info.hpp"
#include "hv/testing/child_host.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/monitor_host.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <vector>

using namespace hv;
using namespace hv::testing;

namespace {

struct CountingHandler final : PortHandler {
    unsigned messages = 0;
    unsigned events = 0;

    void on_message(abi::MessageType, std::span<std::byte const> payload) override
    {
        fuzz::require(payload.size() <= abi::max_payload, "a message has at most 240 bytes");
        ++messages;
    }
    void on_event(unsigned flag) override
    {
        fuzz::require(flag < 8, "an event flag lies within what its port has");
        ++events;
    }
};

class World {
  public:
    World()
    {
        registry_.monitors().set_host(&host_);
        child_host_.attach(*guests_.front());
        for (auto const& guest : guests_) {
            memory_.watch({guest->ram.get(), TestGuest::pages * page_size});
            start_synic(*guest, 0);
            start_synic(*guest, 1);
            open_root_ports(*guest);
        }
    }

    void step(fuzz::Input& input)
    {
        auto const first = input.byte();
        auto& guest = *guests_[(first >> 3 & 3) % guests_.size()];
        auto const vp = first >> 5 & 1U;
        switch (first & 7) {
        case 0: make_any_call(guest, vp, input); break;
        case 1: make_known_call(guest, vp, input, false); break;
        case 2: make_known_call(guest, vp, input, true); break;
        case 3: {
            auto const msr = abi::msr::first + input.take<std::uint16_t>();
            (void)guest.vp(vp).write_msr(msr, input.value());
            break;
        }
        case 4: (void)guest.vp(vp).read_msr(abi::msr::first + input.take<std::uint16_t>()); break;
        case 5: write_memory(guest, input); break;
        case 6: pass_time(input.take<std::uint16_t>()); break;
        default: memory_.change_after(input); break;
        }
    }

    /// One by one, each while the others still have ports and connections to it.
    void end()
    {
        memory_.change_after(0, 0, 0);
        for (auto& guest : guests_) {
            auto& partition = *guest->partition;
            registry_.remove(partition);
            auto const initial = &guest == &guests_.back() ? small_pool : large_pool;
            fuzz::require(fuzz::only_nodes_charged(partition, initial), "a pool has again what it had");
            std::weak_ptr<Partition> const last = guest->partition;
            guest.reset();
            fuzz::require(last.expired(), "nobody keeps a removed partition");
        }
    }

  private:
    static constexpr std::size_t longest_input = page_size;
    static constexpr std::uint64_t large_pool = std::uint64_t{64} << 20;
    static constexpr std::uint64_t small_pool = 5 * communication::port_charge;

    void open_root_ports(TestGuest const& guest)
    {
        auto const id = guest.partition->id();
        auto const base = static_cast<std::uint32_t>(id.value) * 16;
        for (auto const type : {abi::PortType::Message, abi::PortType::Event}) {
            auto const port = base + static_cast<std::uint32_t>(type);
            PortSpec const spec{.type = type, .flag_count = 8, .connection_partition = id, .handler = handler_};
            auto const made = communication::create_port(registry_.root(), PortId{port}, spec);
            auto const connected =
                communication::connect(*guest.partition, ConnectionId{port}, registry_.root(), PortId{port}, type);
            fuzz::require(made == Status::Success && connected == Status::Success, "the root's ports are there");
        }
    }

    static std::uint64_t checked(std::uint64_t result)
    {
        fuzz::require((result & 0xFFFF'0000) == 0 && result >> 44 == 0, "reserved bits of a result are clear");
        return result;
    }

    static void make_any_call(TestGuest const& guest, unsigned vp, fuzz::Input& input)
    {
        abi::Control const control{input.take<std::uint64_t>()};
        auto const in = input.value();
        auto const out = input.value();
        (void)checked(dispatch(guest.vp(vp), {control, in, out}));
    }

    /// The call of that code; where there is none, that of the next lower code which has one.
    static CallInfo const& call_near(std::uint16_t code)
    {
        static auto const known = [] {
            std::vector<CallInfo const*> calls;
            for (unsigned n = 0; n <= 0xFFFF; ++n)
                if (auto const* const call = find_call(static_cast<std::uint16_t>(n))) calls.push_back(call);
            return calls;
        }();
        auto const code_of = [](auto const* call) { return static_cast<std::uint16_t>(call->code); };
        auto const above = std::ranges::upper_bound(known, code, {}, code_of);
        return above == known.begin() ? call_table().front() : **std::prev(above);
    }

    static void make_known_call(TestGuest const& guest, unsigned vp, fuzz::Input& input, bool fast)
    {
        auto const& call = call_near(static_cast<std::uint16_t>(input.value()));
        auto control = static_cast<std::uint64_t>(call.code) | std::uint64_t{fast} << 16;
        std::uint64_t count = 0;
        std::uint64_t start = 0;
        if (call.kind != CallInfo::Kind::Simple) {
            count = input.byte();
            start = input.byte();
            control |= call.kind == CallInfo::Kind::Rep ? reps(count, start) : count << 17;
        }
        auto const size = std::min(call.input_size + count * call.input_element, std::uint64_t{longest_input});
        std::array<std::uint32_t, longest_input / 4> words{};
        for (std::size_t i = 0; i < (size + 3) / 4; ++i)
            words[i] = static_cast<std::uint32_t>(input.value());

        if (fast) {
            std::array<std::uint64_t, 2> registers{};
            std::memcpy(registers.data(), words.data(), sizeof registers);
            std::memcpy(guest.controls[vp]->xmm.data(), words.data() + 4, sizeof guest.controls[vp]->xmm);
            (void)checked(dispatch(guest.vp(vp), {{control}, registers[0], registers[1]}));
        } else {
            auto const offset = vp * place::per_vp;
            (void)guest.memory.write(Gpa{place::input + offset}, words);
            auto const result =
                checked(dispatch(guest.vp(vp), {{control}, place::input + offset, place::output + offset}));
            if (call.kind == CallInfo::Kind::Rep && status_of(result) == Status::Success)
                fuzz::require(reps_done(result) == count, "a rep call that succeeds has done every element");
        }
    }

    static void write_memory(TestGuest const& guest, fuzz::Input& input)
    {
        auto const page = input.below(TestGuest::pages);
        auto const offset = input.take<std::uint16_t>() % page_size;
        auto const bytes = input.bytes(std::min(input.value(), page_size - offset));
        std::memcpy(guest.ram.get() + page * page_size + offset, bytes.data(), bytes.size());
    }

    void pass_time(std::uint64_t microseconds)
    {
        now_ += std::chrono::microseconds{microseconds};
        for (auto const& guest : guests_) {
            guest->clock.advance_100ns(microseconds * 10);
            for (unsigned vp = 0; vp < 2; ++vp) {
                auto const& deadline = guest->controls[vp]->deadline;
                if (deadline && *deadline <= guest->partition->time().now()) guest->vp(vp).expire_timers();
                guest->vp(vp).synic().scan_queues();
            }
        }
        (void)registry_.monitors().scan(now_);
    }

    fuzz::ChangingMemory memory_;
    PartitionRegistry registry_;
    RecordingMonitorHost host_;
    std::shared_ptr<CountingHandler> handler_ = std::make_shared<CountingHandler>();
    MonitorScanner::Time now_{std::chrono::hours{1}};
    RecordingChildHost child_host_; ///< the first one's
    /// The second is the first one's child, and has what an ordinary guest has; the third is the second one's.
    std::array<std::unique_ptr<TestGuest>, 3> guests_{
        std::make_unique<TestGuest>(registry_, Rights::root(), 2, PartitionRegistry::root_id, large_pool, nullptr,
                                    &child_host_),
        std::make_unique<TestGuest>(registry_, Rights::ordinary(), 2, PartitionId{2}),
        std::make_unique<TestGuest>(registry_, Rights::root(), 2, PartitionId{3}, small_pool)};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    fuzz::Input input{{data, size}};
    World world;
    return fuzz::play(world, input);
}
