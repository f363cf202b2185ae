/// A partition whose state was put into another one, with the guest's memory, goes on as the first.
#include "hv/abi/msr.hpp"
#include "hv/partition/communication.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/saved_state.hpp"

#include <cstring>
#include <random>
#include <vector>

namespace hv {

namespace {

using testing::SavedState;
using testing::start_synic;
using testing::TestGuest;
using testing::write_msr;

std::vector<std::byte> ram_of(TestGuest const& guest)
{
    return {guest.ram.get(), guest.ram.get() + TestGuest::pages * page_size};
}

/// As a machine would do it: the memory first, then what the model has.
void move(TestGuest& from, TestGuest& to)
{
    std::memcpy(to.ram.get(), from.ram.get(), TestGuest::pages * page_size);
    SavedState saved;
    from.partition->hold_deliveries();
    to.partition->hold_deliveries();
    saved.save(*from.partition);
    saved.restore(*to.partition);
    from.partition->release_deliveries();
    to.partition->release_deliveries();
}

std::vector<std::uint32_t> all_msrs()
{
    std::vector<std::uint32_t> msrs;
    for (std::uint32_t msr = 0x4000'0000; msr < 0x4000'0200; ++msr)
        msrs.push_back(msr);
    return msrs;
}

/// All that its VPs can read but the time that they ran.
void check_alike(TestGuest& first, TestGuest& second)
{
    for (unsigned vp = 0; vp < 2; ++vp) {
        for (auto const msr : all_msrs()) {
            CAPTURE(vp, msr);
            REQUIRE(first.vp(vp).read_msr(msr) == second.vp(vp).read_msr(msr));
        }
        REQUIRE(first.controls[vp]->deadline == second.controls[vp]->deadline);
    }
}

void write_something(TestGuest& guest, std::mt19937& random)
{
    auto& vp = guest.vp(random() % 2);
    auto const page = (random() % 16 << 12) | random() % 2;
    switch (random() % 8) {
    case 0: (void)vp.write_msr(abi::msr::guest_os_id, random() % 4); break;
    case 1: (void)vp.write_msr(abi::msr::simp, page); break;
    case 2: (void)vp.write_msr(abi::msr::siefp, page); break;
    case 3: (void)vp.write_msr(abi::msr::scontrol, random() % 2); break;
    case 4:
        (void)vp.write_msr(static_cast<std::uint32_t>(abi::msr::sint0 + random() % 16), random() & 0x300FF);
        break;
    case 5:
        (void)vp.write_msr(static_cast<std::uint32_t>(abi::msr::stimer0_config + 2 * (random() % 4)),
                           random() & 0x2'000F);
        break;
    case 6:
        (void)vp.write_msr(static_cast<std::uint32_t>(abi::msr::stimer0_config + 1 + 2 * (random() % 4)),
                           random() % 100'000);
        break;
    case 7: (void)vp.write_msr(abi::msr::vp_assist_page, page); break;
    }
}

} // namespace

TEST_CASE("a partition's registers and timers are elsewhere what they were", "[vp][synic][timers][state]")
{
    std::mt19937 random{6};
    for (unsigned round = 0; round < 20; ++round) {
        PartitionRegistry registry;
        TestGuest first{registry};
        first.clock.advance_100ns(round * 1000);
        for (unsigned i = 0; i < round * 10; ++i)
            write_something(first, random);
        TestGuest second{registry};
        second.clock.tsc = first.clock.tsc;
        for (auto const& control : second.controls)
            control->is_accelerated = false;
        move(first, second);
        check_alike(first, second);
        CHECK(ram_of(first) == ram_of(second));
    }
}

TEST_CASE("messages that wait come elsewhere in their order, and leave their ports' buffers", "[synic][state]")
{
    constexpr Sint sint{2};
    constexpr PortId port{7};
    PartitionRegistry registry;
    TestGuest first{registry};
    TestGuest second{registry};
    auto const connect = [&](TestGuest const& guest, ConnectionId id) {
        PortSpec spec;
        spec.type = abi::PortType::Message;
        spec.sint = sint;
        spec.target_vp = VpIndex{1};
        spec.connection_partition = PartitionRegistry::root_id;
        REQUIRE(communication::create_port(*guest.partition, port, spec) == Status::Success);
        REQUIRE(communication::connect(registry.root(), id, *guest.partition, port, {abi::PortType::Message}) ==
                Status::Success);
    };
    auto const post = [&](ConnectionId id, std::uint64_t word) {
        abi::Message message{};
        message.header.type = abi::MessageType{1};
        message.header.payload_size = sizeof word;
        message.payload[0] = word;
        return communication::post(registry.root(), id, message);
    };
    constexpr ConnectionId to_first{1};
    constexpr ConnectionId to_second{2};
    connect(first, to_first);
    connect(second, to_second);
    start_synic(first, 1);
    write_msr(first, abi::msr::stimer0_config, std::uint64_t{sint.value} << 16 | 8, 1);
    REQUIRE(post(to_first, 1) == Status::Success);
    write_msr(first, abi::msr::stimer0_config + 1, 1, 1); // has passed already
    first.clock.advance_100ns(10);
    first.vp(1).expire_timers();
    for (std::uint64_t word = 2; word < 8; ++word)
        REQUIRE(post(to_first, word) == Status::Success);

    second.clock.tsc = first.clock.tsc;
    move(first, second);
    second.sink.asserted.clear();
    testing::GuestSlot const slot{second, sint, 1};
    CHECK(slot.word() == 1);
    CHECK(slot.pending());
    REQUIRE(slot.take());
    CHECK(slot.message().header.type == abi::MessageType::TimerExpired);
    REQUIRE(slot.take());
    for (std::uint64_t word = 8; word < 19; ++word)
        REQUIRE(post(to_second, word) == Status::Success); // sixteen buffers, five of them in use
    CHECK(post(to_second, 19) == Status::InsufficientBuffers);
    for (std::uint64_t word = 2; word < 19; ++word) {
        CHECK(slot.word() == word);
        REQUIRE(slot.take());
    }
    CHECK_FALSE(slot.take());
}

TEST_CASE("event flags that were held are set elsewhere, with their interrupt", "[synic][state]")
{
    PartitionRegistry registry;
    TestGuest first{registry};
    TestGuest second{registry};
    start_synic(first);
    first.partition->hold_deliveries();
    PendingInterrupts pending;
    REQUIRE(first.vp().synic().signal(Sint{3}, 2047, pending) == Status::Success);
    REQUIRE(first.vp().synic().signal(Sint{4}, 8, pending) == Status::Success);
    move(first, second);
    CHECK(testing::take_flag(second, Sint{3}, 2047));
    CHECK(testing::take_flag(second, Sint{4}, 8));
    CHECK_FALSE(testing::take_flag(second, Sint{4}, 9));
    CHECK(second.sink.asserted.size() == 2);
}

TEST_CASE("a timer expires elsewhere when it would have, on a clock that has another TSC", "[timers][state]")
{
    PartitionRegistry registry;
    TestGuest first{registry};
    TestGuest second{registry};
    for (auto* const guest : {&first, &second}) {
        for (auto const& control : guest->controls)
            control->is_accelerated = false;
    }
    write_msr(first, abi::msr::guest_os_id, 1);
    write_msr(first, abi::msr::hypercall, 0x8001);
    write_msr(first, abi::msr::reference_tsc, 0x9001);
    start_synic(first);
    write_msr(first, abi::msr::stimer0_config + 2, 2U << 16 | 3); // periodic
    write_msr(first, abi::msr::stimer0_config + 3, 5000);
    first.clock.advance_100ns(12'000);
    first.vp().expire_timers();
    auto const code = std::vector(first.ram.get() + 0x8000, first.ram.get() + 0x9000);

    second.clock.tsc = 77;
    move(first, second);
    auto const time = [](TestGuest const& guest) { return guest.partition->time().now().value; };
    CHECK(time(second) == time(first));
    CHECK(second.controls[0]->deadline == first.controls[0]->deadline);
    CHECK(std::vector(second.ram.get() + 0x8000, second.ram.get() + 0x9000) == code);
    abi::ReferenceTscPage page{};
    std::memcpy(&page, second.ram.get() + 0x9000, sizeof page);
    CHECK(page.sequence == 2);
    CHECK(page.offset == second.partition->time().page().offset);
    second.clock.advance_100ns(5000);
    CHECK(time(second) == time(first) + 5000);

    auto const under = first.ram.get()[0x8000]; // and what lies under the pages comes back
    write_msr(second, abi::msr::hypercall, 0);
    CHECK(second.ram.get()[0x8000] == std::byte{0});
    CHECK(under != std::byte{0});
}

TEST_CASE("a partition whose saved state is a lie does no harm", "[vp][synic][timers][state][hostile]")
{
    PartitionRegistry registry;
    TestGuest guest{registry};
    testing::LyingState liar;
    guest.partition->hold_deliveries();
    guest.partition->visit(liar);
    guest.partition->release_deliveries();
    std::mt19937 random{7};
    for (unsigned i = 0; i < 500; ++i) {
        write_something(guest, random);
        guest.clock.advance_100ns(random() % 1000);
        guest.vp().expire_timers();
    }
    SUCCEED();
}

} // namespace hv
