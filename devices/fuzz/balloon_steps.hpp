/// What a host and a guest do with a balloon, for fuzz targets.
#pragma once

#include "devices/vmbus/balloon/balloon.hpp"
#include "hv/fuzz/play.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace devices::testing {

/// A guest's pages: what is taken of them is its own RAM, and no more than it was asked for.
class GuestPages final : public vmbus::PageTaker {
  public:
    static constexpr std::uint64_t at_start = 1U << 16;
    static constexpr vmbus::PageRange hot_add{1U << 20, 2 * vmbus::Balloon::hot_add_block};

    [[nodiscard]] static vmbus::Balloon::Layout layout() { return {{{0, at_start}}, at_start + 50'000, hot_add}; }

    void take(std::vector<vmbus::PageRange>& ranges) override
    {
        std::uint64_t count = 0;
        for (auto const& [first, pages] : ranges) {
            bool const early = first < at_start && pages <= at_start - first;
            bool const late = first >= hot_add.first && pages <= hot_add.first + hot_add.count - first;
            hv::fuzz::require(pages > 0 && (early || late), "what is taken is the guest's own RAM");
            count += pages;
        }
        hv::fuzz::require(count <= 8192, "no more is taken than was asked for");
        if (ranges.size() > 2) ranges.pop_back();
    }
};

template <typename Message>
std::vector<std::byte> message_bytes(Message const& message)
{
    auto const bytes = std::as_bytes(std::span{&message, 1});
    return {bytes.begin(), bytes.end()};
}

/// What a driver says first.
inline std::vector<std::vector<std::byte>> balloon_greetings()
{
    using namespace vmbus::dynamic_memory;
    return {message_bytes(VersionRequest{{MessageType::VersionRequest, 16, 1}, versions::version_2_0, 0}),
            message_bytes(CapabilitiesReport{{MessageType::CapabilitiesReport, 32, 2}, 3, 0, 0})};
}

} // namespace devices::testing
