#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/channel/answer_queue.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

#include <vector>

namespace devices::vmbus {

TEST_CASE("answers that find no room wait, and come in their order", "[worker]")
{
    devices::testing::DeviceChannel channel{1};
    AnswerQueue answers;
    constexpr std::uint64_t count = 100; // of which the ring holds less
    for (std::uint64_t i = 0; i < count; ++i)
        answers.send(channel.outgoing(), hv::abi::PacketType::Completion, i,
                     std::vector<std::byte>(64, static_cast<std::byte>(i)));
    REQUIRE(answers.size() > 0);
    REQUIRE(answers.size() < count);
    CHECK_FALSE(answers.flush(channel.outgoing()));

    std::uint64_t expected = 0;
    while (expected < count) {
        static_cast<void>(channel.outgoing().publish());
        auto const packet = channel.receive();
        REQUIRE(packet);
        CHECK(packet->descriptor.transaction == expected);
        CHECK(packet->payload == std::vector<std::byte>(64, static_cast<std::byte>(expected)));
        ++expected;
        static_cast<void>(answers.flush(channel.outgoing()));
    }
    CHECK(answers.empty());
}

TEST_CASE("answers that are dropped with their channel do not come on the next", "[worker]")
{
    devices::testing::DeviceChannel channel{1};
    AnswerQueue answers;
    while (answers.empty())
        answers.send(channel.outgoing(), hv::abi::PacketType::Completion, 1, std::vector<std::byte>(64));
    answers.clear();
    devices::testing::DeviceChannel next{1};
    CHECK(answers.flush(next.outgoing()));
    static_cast<void>(next.outgoing().publish());
    CHECK_FALSE(next.receive());
}

TEST_CASE("answers that wait go elsewhere and come after those that are in the ring", "[worker][state]")
{
    devices::testing::DeviceChannel channel{1};
    AnswerQueue first;
    constexpr std::uint64_t count = 78; // of which the ring holds less
    for (std::uint64_t i = 0; i < count; ++i)
        first.send(channel.outgoing(), hv::abi::PacketType::Completion, i,
                   std::vector<std::byte>(i + 1, std::byte{7}));
    REQUIRE_FALSE(first.empty());
    hv::testing::SavedState saved;
    saved.save(first);

    AnswerQueue second;
    saved.restore(second);
    CHECK(second.size() == first.size());
    for (std::uint64_t expected = 0; expected < count; ++expected) {
        static_cast<void>(channel.outgoing().publish());
        auto const packet = channel.receive();
        REQUIRE(packet);
        CHECK(packet->descriptor.transaction == expected);
        CHECK(packet->payload.size() == (expected + 8) / 8 * 8);
        static_cast<void>(second.flush(channel.outgoing()));
    }
    CHECK(second.empty());
}

TEST_CASE("what was never a queue of answers becomes one of bounded packets", "[worker][state][hostile]")
{
    AnswerQueue answers;
    hv::testing::LyingState liar;
    answers.visit(liar);
    CHECK(answers.size() == 1024);
    devices::testing::DeviceChannel channel{8};
    CHECK_FALSE(answers.flush(channel.outgoing()));
    static_cast<void>(channel.outgoing().publish());
    auto const packet = channel.receive();
    REQUIRE(packet);
    CHECK(packet->payload.size() == AnswerQueue::longest);
}

} // namespace devices::vmbus
