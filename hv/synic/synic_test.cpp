/// The SynIC of one VP: slots, queues, MessagePending, EOM and retries (TLFS 2.0a §14.2, §14.6).
#include "hv/synic/slot.hpp"
#include "hv/synic/synic.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/snapshot.hpp"

using namespace hv;
using namespace hv::testing;

namespace {

constexpr Sint sint{2};

/// A guest with its SynIC running, to which messages are posted without a port of its own.
struct SynicGuest {
    PartitionRegistry registry;
    TestGuest guest{registry, Rights::root(), 1};
    Synic& synic{guest.vp().synic()};
    PortBuffers buffers;
    GuestSlot slot{guest, sint};

    SynicGuest() { start_synic(guest); }

    [[nodiscard]] Status post(std::uint64_t word, Sint to = sint)
    {
        abi::Message message{};
        message.header.type = abi::MessageType{1};
        message.header.payload_size = 8;
        message.payload[0] = word;
        PendingInterrupts pending;
        auto const status = synic.post(to, message, &buffers, pending);
        synic.raise(pending);
        return status;
    }
    [[nodiscard]] std::size_t in_use() const
    {
        return static_cast<std::size_t>(
            std::ranges::count_if(buffers, [](auto const& b) { return b.in_use.load(); }));
    }
    void msr(std::uint32_t number, std::uint64_t value) { write_msr(guest, number, value); }
};

} // namespace

TEST_CASE("a message to an empty slot is in it at once and holds no buffer (TLFS 2.0a 14.2.4)", "[synic]")
{
    SynicGuest g;
    REQUIRE(g.post(7) == Status::Success);
    CHECK(g.slot.word() == 7);
    CHECK_FALSE(g.slot.pending());
    CHECK(g.in_use() == 0);
    CHECK(g.guest.sink.asserted.size() == 1);
    CHECK(g.guest.sink.retries == 0);
}

TEST_CASE("a busy slot: MessagePending appears, no interrupt, and a retry is asked for (TLFS 2.0a 14.2.4, 14.8.3)",
          "[synic]")
{
    SynicGuest g;
    REQUIRE(g.post(1) == Status::Success);
    REQUIRE(g.post(2) == Status::Success);
    CHECK(g.slot.word() == 1);
    CHECK(g.slot.pending());
    CHECK(g.in_use() == 1);
    CHECK(g.guest.sink.asserted.size() == 1);
    CHECK(g.guest.sink.retries == 1);
}

TEST_CASE("MessagePending is set at delivery when more wait, and only then (TLFS 2.0a 14.8.3)", "[synic]")
{
    SynicGuest g;
    for (std::uint64_t word = 0; word < 4; ++word)
        REQUIRE(g.post(word) == Status::Success);
    for (std::uint64_t word = 0; word < 4; ++word) {
        CHECK(g.slot.word() == word);
        CHECK(g.slot.pending() == (word != 3));
        g.slot.empty();
        g.slot.end_of_message();
    }
    CHECK(g.slot.type() == 0);
    CHECK(g.in_use() == 0);
    CHECK(g.guest.sink.asserted.size() == 4); // one interrupt for each message
}

TEST_CASE("EOM with the slot still full delivers nothing and loses nothing (TLFS 2.0a 14.6.6)", "[synic]")
{
    SynicGuest g;
    g.slot.end_of_message(); // queues empty: no-op
    CHECK(g.guest.sink.asserted.empty());
    REQUIRE(g.post(1) == Status::Success);
    REQUIRE(g.post(2) == Status::Success);
    for (unsigned i = 0; i < 10; ++i)
        g.slot.end_of_message();
    CHECK(g.slot.word() == 1);
    CHECK(g.guest.sink.asserted.size() == 1);
    CHECK(g.slot.take()->payload[0] == 1);
    CHECK(g.slot.take()->payload[0] == 2);
}

TEST_CASE("one EOM looks at the queues of all SINTs (TLFS 2.0a 14.6.6)", "[synic]")
{
    SynicGuest g;
    for (std::uint32_t n = 1; n < sint_count; ++n) {
        REQUIRE(g.post(n, Sint{n}) == Status::Success);
        REQUIRE(g.post(100 + n, Sint{n}) == Status::Success);
    }
    CHECK(g.in_use() == 15);
    for (std::uint32_t n = 1; n < sint_count; ++n)
        GuestSlot(g.guest, Sint{n}).empty();
    g.guest.sink.asserted.clear();
    g.slot.end_of_message();
    CHECK(g.in_use() == 0);
    for (std::uint32_t n = 1; n < sint_count; ++n)
        CHECK(GuestSlot(g.guest, Sint{n}).word() == 100 + n);
    CHECK(g.guest.sink.asserted.size() == 15);
}

TEST_CASE("the next post delivers what the guest has made room for, in order (TLFS 2.0a 14.2.4)", "[synic]")
{
    SynicGuest g;
    for (std::uint64_t word = 0; word < 3; ++word)
        REQUIRE(g.post(word) == Status::Success);
    g.slot.empty(); // and no EOM
    REQUIRE(g.post(3) == Status::Success);
    for (std::uint64_t word = 1; word <= 3; ++word)
        CHECK(g.slot.take()->payload[0] == word);
    CHECK_FALSE(g.slot.take());
}

TEST_CASE("a guest that only signals EOI gets the rest after the retry interval (TLFS 2.0a 14.2.4)", "[synic]")
{
    SynicGuest g;
    for (std::uint64_t word = 0; word < 3; ++word)
        REQUIRE(g.post(word) == Status::Success);
    auto const asked = g.guest.sink.retries;
    g.slot.empty();
    g.synic.scan_queues(); // what the VMM does after the interval
    CHECK(g.slot.word() == 1);
    CHECK(g.guest.sink.retries == asked + 1); // one more waits
    g.slot.empty();
    g.synic.scan_queues();
    CHECK(g.slot.word() == 2);
    CHECK(g.guest.sink.retries == asked + 1); // none waits
    g.synic.scan_queues();
    CHECK(g.guest.sink.retries == asked + 1);
}

TEST_CASE("a queue in a disabled SynIC asks for no retries; enabling delivers (TLFS 2.0a 14.2.3, 14.6.1)", "[synic]")
{
    auto const disable_page = GENERATE(false, true);
    auto const msr = disable_page ? abi::msr::simp : abi::msr::scontrol;
    auto const on = disable_page ? place::message_page | 1 : std::uint64_t{1};
    SynicGuest g;
    REQUIRE(g.post(1) == Status::Success);
    REQUIRE(g.post(2) == Status::Success);
    g.slot.empty();
    g.msr(msr, 0);
    auto const asked = g.guest.sink.retries;
    g.synic.scan_queues();
    g.slot.end_of_message();
    CHECK(g.guest.sink.retries == asked);
    CHECK(g.in_use() == 1);
    CHECK(g.post(3) == Status::InvalidSynicState);

    g.msr(msr, on);
    CHECK(g.slot.word() == 2);
    CHECK(g.in_use() == 0);
}

TEST_CASE("the retry goes on after a SynIC was disabled in between (TLFS 2.0a 14.2.4)", "[synic]")
{
    auto const disable_page = GENERATE(false, true);
    auto const msr = disable_page ? abi::msr::simp : abi::msr::scontrol;
    auto const on = disable_page ? place::message_page | 1 : std::uint64_t{1};
    SynicGuest g;
    REQUIRE(g.post(1) == Status::Success);
    REQUIRE(g.post(2) == Status::Success);
    g.msr(msr, 0);
    g.synic.scan_queues(); // the interval ends while nothing can be delivered
    auto const asked = g.guest.sink.retries;
    g.msr(msr, on);
    // The slot is still full. Without another retry, a guest that signals EOI and not EOM would wait for ever.
    CHECK(g.guest.sink.retries == asked + 1);
    g.slot.empty();
    g.synic.scan_queues();
    CHECK(g.slot.word() == 2);
}

TEST_CASE("a moved SIM page takes its messages along and uncovers what lay under it (TLFS 2.0a 8.1.3)", "[synic]")
{
    SynicGuest g;
    constexpr std::uint64_t elsewhere = 0x2'0000;
    g.guest.ram[elsewhere + sint.value * 256] = std::byte{0x55};
    REQUIRE(g.post(1) == Status::Success);
    REQUIRE(g.post(2) == Status::Success);
    g.msr(abi::msr::simp, elsewhere | 1);
    CHECK(g.slot.type() == 0); // the former place shows its own memory again
    abi::Message moved;
    copy_from_shared(&moved, g.guest.ram.get() + elsewhere + sint.value * 256, sizeof moved);
    CHECK(moved.header.type == abi::MessageType{1});
    CHECK(moved.payload[0] == 1);
    g.msr(abi::msr::simp, 0);
    CHECK(g.guest.ram[elsewhere + sint.value * 256] == std::byte{0x55});
}

TEST_CASE("withdrawing a message leaves the others in order, wherever it stood (TLFS 2.0a 14.2.3)", "[synic]")
{
    auto const victim = GENERATE(0U, 1U, 2U);
    SynicGuest g;
    for (std::uint64_t word = 0; word < 4; ++word) // 0 in the slot, 1 to 3 in buffers 0 to 2
        REQUIRE(g.post(word) == Status::Success);
    g.synic.withdraw(g.buffers[victim]);
    g.synic.withdraw(g.buffers[victim]); // once more is harmless
    CHECK(g.in_use() == 2);
    CHECK(g.slot.take()->payload[0] == 0);
    for (std::uint64_t word = 1; word < 4; ++word) {
        if (word != victim + 1) CHECK(g.slot.take()->payload[0] == word);
    }
    CHECK_FALSE(g.slot.take());
}

TEST_CASE("withdrawing the last queued message ends the retries (TLFS 2.0a 14.2.3)", "[synic]")
{
    SynicGuest g;
    REQUIRE(g.post(1) == Status::Success);
    REQUIRE(g.post(2) == Status::Success);
    g.synic.withdraw(g.buffers[0]);
    auto const asked = g.guest.sink.retries;
    g.synic.scan_queues();
    CHECK(g.guest.sink.retries == asked);
    g.slot.empty();
    REQUIRE(g.post(3) == Status::Success);
    CHECK(g.slot.word() == 3);
    CHECK(g.in_use() == 0);
}

TEST_CASE("post without buffers says NoResources only when something would have to wait", "[synic]")
{
    SynicGuest g;
    abi::Message message{};
    message.header.type = abi::MessageType{1};
    PendingInterrupts pending;
    CHECK(g.synic.post(sint, message, nullptr, pending) == Status::Success);
    CHECK(g.synic.post(sint, message, nullptr, pending) == Status::NoResources);
    CHECK_FALSE(g.slot.pending());
}

TEST_CASE("set_flag tells the edge, for each of the 2048 flags (TLFS 2.0a 14.8.5)", "[synic]")
{
    alignas(8) std::array<std::byte, 256> flags{};
    for (unsigned flag = 0; flag < abi::event_flag_count; ++flag) {
        CHECK(slot::set_flag(flags.data(), flag));
        CHECK_FALSE(slot::set_flag(flags.data(), flag));
        CHECK((std::to_integer<unsigned>(flags[flag / 8]) >> flag % 8) == 1); // none above it yet
    }
    CHECK(std::ranges::all_of(flags, [](auto b) { return b == std::byte{0xFF}; }));
}

TEST_CASE("each time that a SynIC is enabled the world hears of it, and of nothing else (TLFS 2.0a 14.6.1)",
          "[synic]")
{
    PartitionRegistry registry;
    TestGuest guest{registry, Rights::root(), 2};
    write_msr(guest, abi::msr::simp, place::message_page | 1);
    write_msr(guest, abi::msr::scontrol, 2); // not the enable bit
    CHECK(guest.sink.synics_enabled.empty());

    write_msr(guest, abi::msr::scontrol, 1, 1);
    write_msr(guest, abi::msr::scontrol, 1, 1);
    CHECK(guest.sink.synics_enabled == std::vector<std::uint32_t>{1});
    write_msr(guest, abi::msr::scontrol, 0, 1);
    write_msr(guest, abi::msr::scontrol, 1, 1);
    write_msr(guest, abi::msr::scontrol, 1, 0);
    CHECK(guest.sink.synics_enabled == std::vector<std::uint32_t>{1, 1, 0});
}

TEST_CASE("a SINT asserted on its own interrupts unless it is masked, polled, or the SynIC is off (TLFS 2.0a 14.6.1, "
          "6.0b 11.8.5)",
          "[synic]")
{
    SynicGuest g;
    g.synic.assert_sint(sint);
    CHECK(g.guest.sink.asserted == std::vector{Assertion{0, vector_of(sint), false}});

    constexpr std::uint64_t masked = 1U << 16;
    constexpr std::uint64_t polling = 1U << 18;
    for (auto const how : {masked, polling}) {
        g.msr(abi::msr::sint0 + sint.value, vector_of(sint) | how);
        g.synic.assert_sint(sint);
    }
    g.msr(abi::msr::sint0 + sint.value, vector_of(sint));
    g.msr(abi::msr::scontrol, 0);
    g.synic.assert_sint(sint);
    CHECK(g.guest.sink.asserted.size() == 1);
}

TEST_CASE("while deliveries are held the pages stay as they are, and all comes in order after that", "[synic]")
{
    SynicGuest g;
    REQUIRE(g.post(1) == Status::Success);
    auto const before = snapshot(g.guest.memory);
    auto const interrupts = g.guest.sink.asserted.size();
    g.synic.hold();
    for (std::uint64_t word = 2; word <= 17; ++word)
        REQUIRE(g.post(word) == Status::Success);
    CHECK(g.post(18) == Status::InsufficientBuffers);
    PendingInterrupts pending;
    for (unsigned const flag : {0U, 77U, 2047U, 77U})
        CHECK(g.synic.signal(sint, flag, pending) == Status::Success);
    g.synic.raise(pending);
    g.synic.scan_queues(); // a retry that is due
    CHECK(snapshot(g.guest.memory) == before);
    CHECK(g.guest.sink.asserted.size() == interrupts);
    CHECK(g.guest.sink.retries == 0);

    g.synic.release();
    for (unsigned const flag : {0U, 77U, 2047U}) {
        CHECK(take_flag(g.guest, sint, flag));
        CHECK_FALSE(take_flag(g.guest, sint, flag));
    }
    CHECK(g.slot.pending());
    for (std::uint64_t word = 1; word <= 17; ++word) {
        CHECK(g.slot.word() == word);
        g.slot.empty();
        g.msr(abi::msr::eom, 0);
    }
    CHECK(g.in_use() == 0);
    g.synic.release(); // nothing is held any more
    REQUIRE(g.post(19) == Status::Success);
    CHECK(g.slot.word() == 19);
}

TEST_CASE("what is signalled to a VP whose deliveries are held is refused as otherwise", "[synic]")
{
    SynicGuest g;
    g.synic.hold();
    PendingInterrupts pending;
    g.msr(abi::msr::scontrol, 0);
    CHECK(g.synic.signal(sint, 3, pending) == Status::InvalidSynicState);
    CHECK(g.post(1) == Status::InvalidSynicState);
    g.msr(abi::msr::scontrol, 1);
    CHECK(g.synic.signal(sint, 3, pending) == Status::Success);
    g.msr(abi::msr::scontrol, 0); // by its parent
    g.synic.release();
    CHECK_FALSE(take_flag(g.guest, sint, 3));
}
