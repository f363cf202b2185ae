/// Which VP a port for HV_ANY_VP sends to (TLFS 2.0a §14.2.4, §14.3.1, §14.8.7).
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/threads.hpp"

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;
using abi::CallCode;
using abi::PortType;

namespace {

constexpr Sint sint{2};
constexpr unsigned vps = 4;
constexpr unsigned none = vps;

constexpr std::uint64_t masked = 0x1'0000;
constexpr std::uint64_t polled = 0x4'0000;

/// A receiver of four VPs; port and connection 1 take messages and port and connection 2 events, for any VP.
struct AnyFabric {
    PartitionRegistry registry;
    TestGuest receiver{registry, Rights::root(), vps};
    TestGuest sender{registry};

    AnyFabric()
    {
        for (unsigned vp = 0; vp < vps; ++vp)
            start_synic(receiver, vp);
        make(1, message_port(sint.value, any_vp.value));
        make(2, event_port(sint.value, 0, 8, any_vp.value));
    }

    void make(std::uint32_t id, abi::PortInfo const& info) const
    {
        auto const self = self_partition.value;
        REQUIRE(call(receiver, CallCode::CreatePort,
                     abi::CreatePortInput{self, id, 0, sender.partition->id().value, info}) == Status::Success);
        REQUIRE(call(sender, CallCode::ConnectPort,
                     abi::ConnectPortInput{self, id, 0, receiver.partition->id().value, id, 0, info.type, 0}) ==
                Status::Success);
    }

    void sint_is(unsigned vp, std::uint64_t flags) const
    {
        write_msr(receiver, abi::msr::sint0 + sint.value, flags | vector_of(sint), vp);
    }
    void prefer(std::uint64_t vp) const
    {
        auto& partition = *receiver.partition;
        for (std::uint32_t port = 1; port <= 2; ++port)
            REQUIRE(communication::set_port_property(partition, PortId{port}, abi::PortProperty::PreferredTargetVp,
                                                     vp) == Status::Success);
    }
    [[nodiscard]] Status post() const { return call(sender, CallCode::PostMessage, message_input(1, 1)); }
    [[nodiscard]] Status signal() const
    {
        return call(sender, CallCode::SignalEvent, abi::SignalEventInput{2, 3, 0});
    }

    /// The VP that a message, or a signal, goes to.
    [[nodiscard]] unsigned message_goes_to() const
    {
        if (auto const status = post(); status != Status::Success) {
            CHECK(status == Status::InvalidSynicState);
            return none;
        }
        unsigned taker = none;
        for (unsigned vp = 0; vp < vps; ++vp) {
            if (GuestSlot(receiver, sint, vp).take()) taker = vp;
        }
        CHECK(taker != none);
        return taker;
    }
    [[nodiscard]] unsigned event_goes_to() const
    {
        if (auto const status = signal(); status != Status::Success) {
            CHECK(status == Status::InvalidSynicState);
            return none;
        }
        unsigned taker = none;
        for (unsigned vp = 0; vp < vps; ++vp) {
            if (take_flag(receiver, sint, 3, vp)) taker = vp;
        }
        CHECK(taker != none);
        return taker;
    }
};

} // namespace

TEST_CASE("HV_ANY_VP without a preference: the first VP that is able to (TLFS 2.0a 14.2.4, 14.3.1)", "[any]")
{
    AnyFabric const fabric;
    CHECK(fabric.message_goes_to() == 0);
    CHECK(fabric.event_goes_to() == 0);
    write_msr(fabric.receiver, abi::msr::scontrol, 0, 0);
    write_msr(fabric.receiver, abi::msr::simp, 0, 1);
    write_msr(fabric.receiver, abi::msr::siefp, 0, 2);
    CHECK(fabric.message_goes_to() == 2);
    CHECK(fabric.event_goes_to() == 1);
}

TEST_CASE("HV_ANY_VP: the preferred VP first, while it is able to (TLFS 2.0a 14.8.7)", "[any]")
{
    AnyFabric const fabric;
    for (unsigned const vp : {3U, 1U, 0U}) {
        fabric.prefer(vp);
        CHECK(fabric.message_goes_to() == vp);
        CHECK(fabric.event_goes_to() == vp);
    }
    fabric.prefer(2);
    write_msr(fabric.receiver, abi::msr::scontrol, 0, 2);
    CHECK(fabric.message_goes_to() == 0);
    CHECK(fabric.event_goes_to() == 0);
    write_msr(fabric.receiver, abi::msr::scontrol, 1, 2);
    write_msr(fabric.receiver, abi::msr::simp, 0, 2);
    CHECK(fabric.message_goes_to() == 0);
    CHECK(fabric.event_goes_to() == 2);
    fabric.prefer(any_vp.value);
    CHECK(fabric.event_goes_to() == 0);
}

TEST_CASE("HV_ANY_VP: a masked SINT comes last for messages, and refuses event flags (TLFS 2.0a 14.2.4, 14.3.1)",
          "[any]")
{
    AnyFabric const fabric;
    fabric.sint_is(0, masked);
    CHECK(fabric.message_goes_to() == 1);
    CHECK(fabric.event_goes_to() == 1);
    fabric.prefer(2);
    fabric.sint_is(2, masked);
    CHECK(fabric.message_goes_to() == 1);
    CHECK(fabric.event_goes_to() == 1);

    for (unsigned vp = 0; vp < vps; ++vp)
        fabric.sint_is(vp, masked);
    CHECK(fabric.message_goes_to() == 2); // taken all the same; the interrupt is lost
    CHECK(fabric.event_goes_to() == none);
    fabric.sint_is(3, masked | polled); // polling has the effect of unmasking (6.0b 11.8.5)
    CHECK(fabric.message_goes_to() == 3);
    CHECK(fabric.event_goes_to() == 3);
}

TEST_CASE("HV_ANY_VP: INVALID_SYNIC_STATE when no VP can (TLFS 2.0a 14.9.7, 14.9.8)", "[any]")
{
    AnyFabric const fabric;
    fabric.prefer(1);
    for (unsigned vp = 0; vp < vps; ++vp)
        write_msr(fabric.receiver, vp % 2 == 0 ? abi::msr::simp : abi::msr::siefp, 0, vp);
    CHECK(fabric.message_goes_to() == 1);
    CHECK(fabric.event_goes_to() == 0);
    for (unsigned vp = 0; vp < vps; ++vp)
        write_msr(fabric.receiver, abi::msr::scontrol, 0, vp);
    CHECK(fabric.message_goes_to() == none);
    CHECK(fabric.event_goes_to() == none);
}

TEST_CASE("a fixed VP has no substitute (TLFS 2.0a 14.9.7)", "[any]")
{
    AnyFabric const fabric;
    fabric.make(3, message_port(sint.value, 2));
    write_msr(fabric.receiver, abi::msr::scontrol, 0, 2);
    CHECK(call(fabric.sender, CallCode::PostMessage, message_input(3, 1)) == Status::InvalidSynicState);
}

TEST_CASE("HV_ANY_VP: with one VP able to, none is refused because of another (TLFS 2.0a 14.2.4, 14.3.1)",
          "[threads]")
{
    AnyFabric const fabric;
    auto const& guest = fabric.receiver;
    for (unsigned vp = 2; vp < vps; ++vp)
        write_msr(guest, abi::msr::scontrol, 0, vp);
    std::atomic<bool> done{false};
    std::array<unsigned, 3> refused{};
    std::uint64_t posted = 0;
    run_together({
        [&] { // VP 0 comes and goes
            Choices choices{3};
            while (!done) {
                switch (choices.below(3)) {
                case 0:
                    write_msr(guest, abi::msr::scontrol, 0, 0);
                    write_msr(guest, abi::msr::scontrol, 1, 0);
                    break;
                case 1:
                    write_msr(guest, abi::msr::simp, place::message_page, 0);
                    write_msr(guest, abi::msr::simp, place::message_page | 1, 0);
                    break;
                default:
                    fabric.sint_is(0, masked);
                    fabric.sint_is(0, 0);
                    break;
                }
                (void)GuestSlot(guest, sint, 0).take();
            }
        },
        [&] { // VP 1 empties its slot
            while (!done)
                (void)GuestSlot(guest, sint, 1).take();
        },
        [&] {
            Patience const time{600ms};
            for (; time.lasts(); ++posted) {
                auto const status = fabric.post();
                refused[0] += status == Status::InvalidSynicState;
                refused[1] += status != Status::Success && status != Status::InsufficientBuffers;
                refused[2] += fabric.signal() != Status::Success;
            }
            done = true;
        },
    });
    CHECK(refused == std::array{0U, 0U, 0U});
    CHECK(posted > 0);
}
