#include "hv/base/range_table.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/threads.hpp"

#include <atomic>
#include <cstdint>
#include <vector>

namespace {

using Table = hv::RangeTable<std::uint64_t>;
using Range = Table::Range;

/// `count` ranges of 16 with a gap of 16 before each. All tell which map they belong to.
std::vector<Range> map_number(std::uint64_t number, std::size_t count)
{
    std::vector<Range> ranges;
    for (std::size_t n = 0; n < count; ++n)
        ranges.push_back({32 * n + 16, 16, number});
    return ranges;
}

} // namespace

TEST_CASE("an address is found in its range and in no other", "[memory]")
{
    for (auto const count : {0U, 1U, 2U, 3U, 7U, 8U, 100U}) {
        Table table;
        table.replace(map_number(5, count));
        for (std::size_t n = 0; n < count; ++n) {
            CHECK(table.find(32 * n + 16) == Range{32 * n + 16, 16, 5});
            CHECK(table.find(32 * n + 31) == Range{32 * n + 16, 16, 5});
            CHECK_FALSE(table.find(32 * n + 15).contains(32 * n + 15));
            CHECK_FALSE(table.find(32 * n + 32).contains(32 * n + 32));
        }
        CHECK_FALSE(table.find(0).contains(0));
        CHECK_FALSE(table.find(~std::uint64_t{0}).contains(~std::uint64_t{0}));
        CHECK(table.all() == map_number(5, count));
    }
}

TEST_CASE("a table that was emptied has nothing at the addresses of before", "[memory]")
{
    Table table;
    table.replace(map_number(1, 3));
    table.replace(map_number(2, 2));
    table.replace({});
    CHECK_FALSE(table.find(16).contains(16));
    CHECK(table.all().empty());
}

TEST_CASE("the last addresses of all can be in a range", "[memory]")
{
    Table table;
    table.replace(std::vector<Range>{{~std::uint64_t{0} - 15, 16, 1}});
    CHECK(table.find(~std::uint64_t{0}).contains(~std::uint64_t{0}));
}

/// A range of one map with a target of another would be a torn look-up.
TEST_CASE("whoever looks up while a table is replaced finds the map of before or of after", "[memory][threads]")
{
    constexpr std::uint64_t maps = 2000;
    Table table;
    std::atomic<bool> done{false};
    std::atomic<unsigned> wrong{0};
    // Map n has its ranges at n % 2 * 2^32, as many as make the copies grow now and then.
    auto const map = [](std::uint64_t n) {
        auto ranges = map_number(n, 1 + n % 61);
        for (auto& range : ranges)
            range.first += n % 2 << 32;
        return ranges;
    };
    auto const reader = [&] {
        std::uint64_t newest = 0;
        while (!done) {
            for (auto const half : {std::uint64_t{0}, std::uint64_t{1}}) {
                auto const address = (half << 32) + 16;
                auto const found = table.find(address);
                if (!found.contains(address)) continue;
                if (found.target % 2 != half || found.target < newest || found.size != 16) ++wrong;
                newest = found.target;
            }
        }
    };
    hv::testing::run_together({reader, reader, [&] {
                                   for (std::uint64_t n = 1; n <= maps; ++n)
                                       table.replace(map(n));
                                   done = true;
                               }});
    CHECK(wrong == 0);
    CHECK(table.all() == map(maps));
}
