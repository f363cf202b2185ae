/// A guest's driver for a balloon, and what its pages become.
#pragma once

#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/balloon/balloon.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/inspected.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace devices::vmbus::testing {

class CountingTaker final : public PageTaker {
  public:
    void take(std::vector<PageRange>& ranges) override
    {
        std::erase_if(ranges, [&](PageRange const& range) { return range.first == refused; });
        for (auto const& range : ranges)
            taken += range.count;
    }

    std::uint64_t taken = 0; ///< pages
    std::uint64_t refused = ~std::uint64_t{0};
};

struct BalloonGuest {
    static constexpr std::uint64_t at_start = 65'536;
    static constexpr std::uint64_t hot_add_first = 1U << 20;

    [[nodiscard]] static Balloon::Layout layout()
    {
        return {.at_start = {{0, at_start}},
                .most = at_start + 100'000,
                .hot_add = {hot_add_first, 4 * Balloon::hot_add_block}};
    }

    void open(std::size_t ring_pages = 4)
    {
        channel = std::make_shared<devices::testing::DeviceChannel>(ring_pages);
        channel->connect(device.get());
        device->open(channel);
        executor.crank();
    }

    template <typename Message>
    requires std::is_trivially_copyable_v<Message>
    void send(Message const& message) { send_bytes(std::as_bytes(std::span{&message, 1})); }
    void send_bytes(std::span<std::byte const> message)
    {
        REQUIRE(channel->send(message));
        executor.crank();
    }

    /// The next message from the host, which is one of this kind.
    template <typename Message>
    [[nodiscard]] Message next() const
    {
        auto const packet = channel->receive();
        REQUIRE(packet);
        auto const message = packet->as<Message>();
        CHECK(message.header.size >= sizeof message);
        return message;
    }
    void drain() const
    {
        while (channel->receive()) {
        }
    }

    [[nodiscard]] bool request_version(std::uint32_t version)
    {
        using namespace dynamic_memory;
        send(VersionRequest{{MessageType::VersionRequest, sizeof(VersionRequest), 5}, version, 0});
        auto const answer = next<Acceptance>();
        CHECK(answer.header.type == MessageType::VersionResponse);
        CHECK(answer.header.transaction == 5);
        return answer.accepted == 1;
    }
    /// As Linux does: balloon, hot-add, at multiples of 128 MiB.
    void report_capabilities(std::uint64_t capabilities = 3 | 7 << 2)
    {
        using namespace dynamic_memory;
        report_capabilities_unheard(capabilities);
        auto const answer = next<Acceptance>();
        CHECK(answer.header.type == MessageType::CapabilitiesResponse);
        CHECK(answer.accepted == 1);
    }
    void report_capabilities_unheard(std::uint64_t capabilities = 0)
    {
        using namespace dynamic_memory;
        send(CapabilitiesReport{
            {MessageType::CapabilitiesReport, sizeof(CapabilitiesReport), 6}, capabilities, 0, ~std::uint64_t{0}});
    }
    void start()
    {
        open();
        REQUIRE(request_version(dynamic_memory::versions::version_2_0));
        report_capabilities();
        (void)next<dynamic_memory::Info>();
    }

    void report(std::uint64_t available, std::uint64_t committed)
    {
        using namespace dynamic_memory;
        send(StatusReport{{MessageType::StatusReport, sizeof(StatusReport), 7}, available, committed, 0, 0, 0, 0});
    }

    /// A response to a request for pages.
    void give(std::vector<PageRange> const& ranges, bool more = false)
    {
        using namespace dynamic_memory;
        auto const size = sizeof(BalloonResponse) + ranges.size() * sizeof(std::uint64_t);
        std::vector<std::byte> message(size);
        BalloonResponse const head{{MessageType::BalloonResponse, static_cast<std::uint16_t>(size), 8},
                                   0,
                                   static_cast<std::uint32_t>(ranges.size()) << 1 | (more ? 1U : 0U)};
        std::memcpy(message.data(), &head, sizeof head);
        for (std::size_t i = 0; i < ranges.size(); ++i) {
            auto const word = ranges[i].first | ranges[i].count << range_count_shift;
            std::memcpy(message.data() + sizeof head + i * sizeof word, &word, sizeof word);
        }
        send_bytes(message);
    }
    /// All that it was asked for: a multiple of 512 pages.
    void give_away(std::vector<PageRange> const& ranges)
    {
        std::uint64_t count = 0;
        for (auto const& range : ranges)
            count += range.count;
        CHECK(device->aim(device->status().has - count, 0) == Balloon::Aim::Taken);
        CHECK(next<dynamic_memory::BalloonRequest>().pages == count);
        give(ranges);
    }

    [[nodiscard]] std::uint64_t state_of(std::string const& name) const
    {
        hv::testing::Inspected seen;
        device->inspect(seen);
        return std::stoull(seen.at(name));
    }

    hv::testing::CrankedExecutor executor;
    CountingTaker taker;
    std::shared_ptr<Balloon> device = std::make_shared<Balloon>(executor, taker, layout());
    std::shared_ptr<devices::testing::DeviceChannel> channel;
};

} // namespace devices::vmbus::testing
