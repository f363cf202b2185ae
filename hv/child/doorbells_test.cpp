/// Which writes of a child ring (newest, HV_CONNECTION_INFO).
#include "hv/child/doorbells.hpp"
#include "hv/child/gpa_map.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>
#include <vector>

using namespace hv;
using abi::DoorbellInfo;

namespace {

constexpr std::uint64_t place = 0x5008;
constexpr std::uint64_t any = DoorbellInfo::any_value;

/// The IDs of those that a write of `size` bytes rings.
std::vector<std::uint32_t> rung(Doorbells const& all, std::uint64_t gpa, std::size_t size, std::uint64_t value)
{
    auto const found = all.rung_by(Gpa{gpa}, std::as_bytes(std::span{&value, 1}).first(size));
    std::vector<std::uint32_t> ids;
    for (std::size_t i = 0; i < found.count; ++i)
        ids.push_back(found.ids.at(i).value);
    std::ranges::sort(ids);
    return ids;
}

Status add(Doorbells& all, std::uint32_t id, DoorbellInfo const& info)
{
    auto const trigger = DoorbellTrigger::from(info);
    return trigger ? all.add(ConnectionId{id}, *trigger) : Status::InvalidParameter;
}

} // namespace

TEST_CASE("doorbells: a size or any, a value or any", "[doorbells]")
{
    Doorbells all;
    REQUIRE(add(all, 1, {place, 0x12, 1}) == Status::Success);
    REQUIRE(add(all, 2, {place, 0x99, 2 | any}) == Status::Success);
    REQUIRE(add(all, 3, {place, 0x12, 0}) == Status::Success);
    CHECK(rung(all, place, 1, 0x12) == std::vector<std::uint32_t>{1, 3});
    CHECK(rung(all, place, 1, 0x13).empty());
    CHECK(rung(all, place, 2, 0x12) == std::vector<std::uint32_t>{2, 3});
    CHECK(rung(all, place, 2, 0x1112) == std::vector<std::uint32_t>{2});
    CHECK(rung(all, place, 4, 0x12) == std::vector<std::uint32_t>{3});
    CHECK(rung(all, place, 8, 0x12) == std::vector<std::uint32_t>{3});
    CHECK(rung(all, place + 1, 1, 0x12).empty());
    REQUIRE(add(all, 4, {place, 0, any}) == Status::Success);
    REQUIRE(add(all, 5, {place, 0, 1 | any}) == Status::Success);
    CHECK(rung(all, place, 1, 0x12) == std::vector<std::uint32_t>{1, 3, 4, 5});
    CHECK(all.remove(ConnectionId{1}));
    CHECK_FALSE(all.remove(ConnectionId{1}));
    CHECK(rung(all, place, 1, 0x12) == std::vector<std::uint32_t>{3, 4, 5});
    CHECK(add(all, 9, {place, 77, any}) == Status::InvalidParameter); // the same writes
    CHECK(add(all, 9, {place, 0x12, 1}) == Status::Success);
}

TEST_CASE("doorbells: flags that there are not, places beyond memory or across two pages", "[doorbells]")
{
    Doorbells all;
    for (auto const flags : {std::uint64_t{5}, std::uint64_t{7}, std::uint64_t{8}, any << 1})
        CHECK(add(all, 1, {place, 0, flags}) == Status::InvalidParameter);
    CHECK(add(all, 1, {0x5FFF, 0, 2}) == Status::InvalidParameter);
    CHECK(add(all, 1, {0x5FF9, 0, 4}) == Status::InvalidParameter);
    CHECK(add(all, 1, {GpaMap::pages * page_size, 0, 1}) == Status::InvalidParameter);
    CHECK(add(all, 1, {0x5FF8, 0, 4}) == Status::Success);
    CHECK(add(all, 2, {0x5FFF, 0, 0}) == Status::Success);
}
