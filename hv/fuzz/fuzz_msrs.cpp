/// One guest of two VPs, of any privileges and features, that reads and writes synthetic MSRs while time passes and
/// its memory changes; and a peer that keeps sending to it.
///
/// The input begins with what the guest is offered: 8 bytes of HV_PARTITION_PRIVILEGE_MASK and 4 of features, each
/// XORed with everything, so that zeros are all of them. Steps follow. A step's first byte says what (bits 2:0) and
/// which VP (bit 3); numbers called "value" are Input::value's:
///   0  WRMSR of a synthetic register: 2 bytes, its number less 0x40000000, modulo 0x200; a value
///   1  RDMSR of one: its number likewise
///   2  WRMSR of any: 4 bytes for the number, a value; and RDMSR of the same
///   3  EOM
///   4  a write to memory: page, 2 bytes for the offset in it, length, and the bytes
///   5  time passes: a value, in 100 ns; timers that are due expire
///   6  the peer posts a message (bits 6:4 even) or signals an event (odd) to SINT 1 + bits 6:4 of that VP
///   7  memory will change: after so many loads (1 byte), by XOR with a value, so often (1 byte, modulo 8)
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/fuzz/pool_account.hpp"
#include "hv/testing/fabric.hpp"

#include <bit>
#include <optional>

using namespace hv;
using namespace hv::testing;

namespace {

constexpr unsigned vps = 2;
constexpr unsigned sints = 8; ///< that the peer sends to, from 1 on

/// A register's number, most of which are not given to any.
std::uint32_t synthetic(fuzz::Input& input)
{
    static_assert(std::has_single_bit(abi::msr::count));
    return abi::msr::first + input.take<std::uint16_t>() % abi::msr::count;
}

Rights offered(fuzz::Input& input)
{
    auto rights = Rights::root();
    auto const withheld = input.take<std::uint64_t>();
    auto const hidden = input.take<std::uint32_t>();
    for (unsigned bit = 0; bit < 64; ++bit) {
        if ((withheld >> bit & 1) != 0) rights.set(Privilege{bit}, false);
        if (bit < 32 && (hidden >> bit & 1) != 0) rights.set(Feature{bit}, false);
    }
    return rights;
}

class World {
  public:
    explicit World(fuzz::Input& input) : guest_{registry_, offered(input), vps}
    {
        memory_.watch({guest_.ram.get(), TestGuest::pages * page_size});
        for (unsigned vp = 0; vp < vps; ++vp) {
            for (unsigned n = 0; n < sints; ++n)
                connect(vp, n);
        }
    }

    void step(fuzz::Input& input)
    {
        auto const first = input.byte();
        auto const vp = first >> 3 & 1U;
        switch (first & 7) {
        case 0: {
            auto const number = synthetic(input);
            write(vp, number, input.value());
            break;
        }
        case 1: read(vp, synthetic(input)); break;
        case 2: {
            auto const number = input.take<std::uint32_t>();
            write(vp, number, input.value());
            read(vp, number);
            break;
        }
        case 3: write(vp, abi::msr::eom, 0); break;
        case 4: {
            auto const page = input.below(TestGuest::pages);
            auto const offset = input.take<std::uint16_t>() % page_size;
            auto const bytes = input.bytes(std::min(input.value(), page_size - offset));
            std::memcpy(guest_.ram.get() + page * page_size + offset, bytes.data(), bytes.size());
            break;
        }
        case 5: pass_time(input.value()); break;
        case 6: send(vp, first >> 4 & 7U); break;
        default: memory_.change_after(input); break;
        }
        for (auto const& assertion : guest_.sink.asserted)
            fuzz::require(assertion.vp < vps && assertion.vector >= 16, "an interrupt is one that an APIC delivers");
        guest_.sink.asserted.clear();
    }

    /// The guest goes first, with messages of ports and timers still queued.
    void end()
    {
        memory_.change_after(0, 0, 0);
        for (auto* const guest : {&guest_, &peer_}) {
            registry_.remove(*guest->partition);
            fuzz::require(fuzz::only_nodes_charged(*guest->partition, std::uint64_t{64} << 20),
                          "a pool has again what it had");
        }
    }

  private:
    void connect(unsigned vp, unsigned n)
    {
        auto const type = n % 2 == 0 ? abi::PortType::Message : abi::PortType::Event;
        auto const id = vp * sints + n;
        PortSpec const spec{.type = type,
                            .sint = Sint{1 + n},
                            .target_vp = VpIndex{vp},
                            .base_flag = 2040,
                            .flag_count = 8,
                            .connection_partition = peer_.partition->id(),
                            .handler = nullptr};
        auto const made = communication::create_port(*guest_.partition, PortId{id}, spec);
        auto const connected =
            communication::connect(*peer_.partition, ConnectionId{id}, *guest_.partition, PortId{id}, type);
        fuzz::require(made == Status::Success && connected == Status::Success, "the peer is connected");
    }

    void send(unsigned vp, unsigned n)
    {
        ConnectionId const id{vp * sints + n};
        if (n % 2 != 0) {
            (void)communication::signal(*peer_.partition, id, n);
            return;
        }
        abi::Message message{};
        message.header.type = abi::MessageType{1};
        message.header.payload_size = 20;
        (void)communication::post(*peer_.partition, id, message);
    }

    void read(unsigned vp, std::uint32_t number)
    {
        auto const value = guest_.vp(vp).read_msr(number);
        auto const synthetic = number >= abi::msr::first && number - abi::msr::first < abi::msr::count;
        fuzz::require(synthetic || !value, "there is no MSR outside the synthetic range");
        if (number == abi::msr::vp_index && value) fuzz::require(*value == vp, "VP_INDEX is the VP's");
        if (number == abi::msr::time_ref_count && value) {
            fuzz::require(*value >= last_time_, "reference time never goes back");
            last_time_ = *value;
        }
    }

    void write(unsigned vp, std::uint32_t number, std::uint64_t value)
    {
        auto& processor = guest_.vp(vp);
        auto const before = processor.read_msr(number);
        auto const taken = processor.write_msr(number, value);
        auto const after = processor.read_msr(number);
        if (!taken && before && number != abi::msr::time_ref_count)
            fuzz::require(after == before, "a write that raises #GP changes nothing");
        if (number >= abi::msr::sint0 && number <= abi::msr::sint15 && after)
            fuzz::require((*after >> 16 & 1) != 0 || (*after & 0xFF) >= 16, "an open SINT has a vector");
    }

    void pass_time(std::uint64_t ticks)
    {
        constexpr auto latest = std::uint64_t{1} << 63; // a TSC does not wrap in the life of a machine
        guest_.clock.advance_100ns(std::min(ticks, (latest - guest_.clock.tsc) / 100));
        for (unsigned vp = 0; vp < vps; ++vp) {
            auto const& deadline = guest_.controls[vp]->deadline;
            for (unsigned again = 0; again < 4 && deadline && *deadline <= guest_.partition->time().now(); ++again)
                guest_.vp(vp).expire_timers();
            guest_.vp(vp).synic().scan_queues();
        }
    }

    fuzz::ChangingMemory memory_;
    PartitionRegistry registry_;
    TestGuest guest_;
    TestGuest peer_{registry_};
    std::uint64_t last_time_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    fuzz::Input input{{data, size}};
    World world{input};
    return fuzz::play(world, input);
}
