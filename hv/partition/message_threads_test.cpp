/// Messages between threads: every one that was accepted arrives once and in order, whatever the receiver does to its
/// SynIC meanwhile (TLFS 2.0a §14.2.3, §14.8.3). Meant for ThreadSanitizer.
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/threads.hpp"

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;

namespace {

constexpr Sint sint{2};
constexpr unsigned senders = 3;
constexpr std::uint64_t messages_each = 1000;
constexpr auto patience = 180s; // only a test that hangs comes to its end

/// Some VPs that send, each through a connection and port of its own with its VP's number + 1.
struct Traffic {
    PartitionRegistry registry;
    TestGuest receiver;
    TestGuest sender{registry, Rights::root(), senders};
    std::atomic<unsigned> still_sending{senders};

    explicit Traffic(std::uint32_t target_vp, unsigned receiver_vps = 1)
        : receiver{registry, Rights::root(), receiver_vps}
    {
        for (unsigned vp = 0; vp < receiver_vps; ++vp)
            start_synic(receiver, vp);
        for (std::uint32_t id = 1; id <= senders; ++id) {
            REQUIRE(call(receiver, abi::CallCode::CreatePort,
                         abi::CreatePortInput{self_partition.value, id, 0, sender.partition->id().value,
                                              message_port(sint.value, target_vp)}) == Status::Success);
            REQUIRE(call(sender, abi::CallCode::ConnectPort,
                         abi::ConnectPortInput{self_partition.value, id, 0, receiver.partition->id().value, id, 0,
                                               abi::PortType::Message, 0}) == Status::Success);
        }
    }

    /// Posts 0, 1, 2, … and repeats what is refused for the reasons that pass.
    void send_all(unsigned vp)
    {
        Patience const time{patience};
        for (std::uint64_t word = 0; word < messages_each && time.lasts();) {
            auto const status = call(sender, abi::CallCode::PostMessage, message_input(vp + 1, word), vp);
            if (status == Status::Success)
                ++word;
            else if (status == Status::InsufficientBuffers || status == Status::InvalidSynicState)
                std::this_thread::yield();
            else
                break; // shows as missing messages
        }
        --still_sending;
    }

    [[nodiscard]] std::vector<std::function<void()>> sending()
    {
        std::vector<std::function<void()>> bodies;
        for (unsigned vp = 0; vp < senders; ++vp)
            bodies.emplace_back([this, vp] { send_all(vp); });
        return bodies;
    }
};

/// What has arrived from each sender, and whether it was what should have come next.
struct Inbox {
    std::array<std::uint64_t, senders> next{};
    unsigned out_of_order = 0;

    void add(abi::Message const& message)
    {
        auto const from = message.header.origin - 1;
        if (from >= senders || message.payload[0] != next[from])
            ++out_of_order;
        else
            ++next[from];
    }
    [[nodiscard]] std::uint64_t total() const { return next[0] + next[1] + next[2]; }
};

} // namespace

TEST_CASE("no message is lost, doubled or overtaken on the way to a fixed VP (TLFS 2.0a 14.2.3)", "[threads]")
{
    Traffic traffic{0};
    GuestSlot const slot{traffic.receiver, sint};
    Inbox inbox;
    auto bodies = traffic.sending();
    // A guest that writes EOM only when the flags ask for it, and has no retry timer to save it.
    bodies.emplace_back([&] {
        Patience const time{patience};
        while (inbox.total() < senders * messages_each && time.lasts()) {
            if (auto const message = slot.take())
                inbox.add(*message);
            else
                std::this_thread::yield();
        }
    });
    run_together(bodies);

    CHECK(inbox.out_of_order == 0);
    CHECK(inbox.total() == senders * messages_each);
    CHECK(slot.type() == 0);
    CHECK(traffic.receiver.sink.asserted.size() == senders * messages_each);
}

TEST_CASE("a receiver that keeps disabling and moving its SynIC loses nothing that was accepted (TLFS 2.0a 14.2.3)",
          "[threads]")
{
    Traffic traffic{0};
    auto const& guest = traffic.receiver;
    GuestSlot const slot{guest, sint};
    Inbox inbox;
    auto bodies = traffic.sending();
    bodies.emplace_back([&] {
        Patience const time{patience};
        Choices choices{7};
        while (inbox.total() < senders * messages_each && time.lasts()) {
            switch (choices.below(8)) {
            case 0:
                write_msr(guest, abi::msr::scontrol, 0);
                write_msr(guest, abi::msr::scontrol, 1);
                break;
            case 1:
                write_msr(guest, abi::msr::simp, place::message_page);
                write_msr(guest, abi::msr::simp, place::message_page | 1);
                break;
            case 2:
                write_msr(guest, abi::msr::simp, 0x2'0000 | 1);
                write_msr(guest, abi::msr::simp, place::message_page | 1);
                break;
            case 3: write_msr(guest, abi::msr::sint0 + sint.value, 0x1'0000); break;
            case 4: write_msr(guest, abi::msr::sint0 + sint.value, vector_of(sint)); break;
            default: break;
            }
            while (auto const message = slot.take())
                inbox.add(*message);
        }
    });
    run_together(bodies);

    CHECK(inbox.out_of_order == 0);
    CHECK(inbox.total() == senders * messages_each);
}

TEST_CASE("the retry timer and EOM on two threads deliver each message once (TLFS 2.0a 14.2.4)", "[threads]")
{
    Traffic traffic{0};
    GuestSlot const slot{traffic.receiver, sint};
    Inbox inbox;
    std::atomic<bool> done{false};
    auto bodies = traffic.sending();
    bodies.emplace_back([&] {
        Patience const time{patience};
        Choices choices{11};
        while (inbox.total() < senders * messages_each && time.lasts()) {
            if (slot.type() == 0) {
                std::this_thread::yield();
                continue;
            }
            inbox.add(slot.message());
            slot.empty();
            if (choices.below(2) == 0) slot.end_of_message(); // now and then it leaves the rest to the timer
        }
        done = true;
    });
    bodies.emplace_back([&] {
        while (!done)
            traffic.receiver.vp().synic().scan_queues();
    });
    run_together(bodies);

    CHECK(inbox.out_of_order == 0);
    CHECK(inbox.total() == senders * messages_each);
}

TEST_CASE("HV_ANY_VP: every accepted message arrives once on some VP (TLFS 2.0a 14.2.3)", "[threads]")
{
    constexpr unsigned vps = 2;
    Traffic traffic{any_vp.value, vps};
    auto const& guest = traffic.receiver;
    std::atomic<std::uint64_t> arrived{0};
    std::array<std::array<std::vector<std::uint64_t>, senders>, vps> words;
    auto bodies = traffic.sending();
    for (unsigned vp = 0; vp < vps; ++vp) {
        bodies.emplace_back([&, vp] {
            Patience const time{patience};
            Choices choices{vp};
            GuestSlot const slot{guest, sint, vp};
            while (arrived < senders * messages_each && time.lasts()) {
                if (choices.below(16) == 0) {
                    write_msr(guest, abi::msr::scontrol, 0, vp);
                    write_msr(guest, abi::msr::scontrol, 1, vp);
                }
                while (auto const message = slot.take()) {
                    words[vp][(message->header.origin - 1) % senders].push_back(message->payload[0]);
                    ++arrived;
                }
            }
        });
    }
    run_together(bodies);

    for (unsigned from = 0; from < senders; ++from) {
        std::vector<std::uint64_t> all;
        for (auto const& of_vp : words) {
            CHECK(std::ranges::is_sorted(of_vp[from])); // one queue keeps its order
            all.insert(all.end(), of_vp[from].begin(), of_vp[from].end());
        }
        std::ranges::sort(all);
        CHECK(all.size() == messages_each);
        CHECK(std::ranges::adjacent_find(all) == all.end());
    }
}

TEST_CASE("event flags: as many interrupts as edges (TLFS 2.0a 14.3.1)", "[threads]")
{
    PartitionRegistry registry;
    TestGuest receiver{registry, Rights::root(), 1};
    TestGuest sender{registry, Rights::root(), senders};
    start_synic(receiver);
    REQUIRE(call(receiver, abi::CallCode::CreatePort,
                 abi::CreatePortInput{self_partition.value, 1, 0, sender.partition->id().value,
                                      event_port(sint.value, 64, 64)}) == Status::Success);
    REQUIRE(call(sender, abi::CallCode::ConnectPort,
                 abi::ConnectPortInput{self_partition.value, 1, 0, receiver.partition->id().value, 1, 0,
                                       abi::PortType::Event, 0}) == Status::Success);

    std::atomic<unsigned> still_sending{senders};
    std::atomic<unsigned> refused{0};
    std::uint64_t taken = 0;
    std::vector<std::function<void()>> bodies;
    for (unsigned vp = 0; vp < senders; ++vp) {
        bodies.emplace_back([&, vp] {
            for (std::uint32_t i = 0; i < 3000; ++i) {
                abi::SignalEventInput const input{1, static_cast<std::uint16_t>(i % 4), 0};
                if (call(sender, abi::CallCode::SignalEvent, input, vp) != Status::Success) ++refused;
            }
            --still_sending;
        });
    }
    auto const take_all = [&] {
        for (unsigned flag = 64; flag < 68; ++flag)
            taken += take_flag(receiver, sint, flag) ? 1 : 0;
    };
    bodies.emplace_back([&] {
        while (still_sending != 0)
            take_all();
    });
    run_together(bodies);
    take_all();

    CHECK(refused == 0);
    CHECK(receiver.sink.asserted.size() == taken);
}
