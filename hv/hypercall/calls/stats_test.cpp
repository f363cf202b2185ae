/// HvCallMapStatsPage2, HvCallUnmapStatsPage (newest).
#include "hv/abi/stats.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/family.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::StatsObject;

namespace {

constexpr auto self = self_partition.value;
constexpr auto page = Family::free_page;

Status map(Family const& family, abi::UnmapStatsPageInput const& what, std::uint64_t location = page)
{
    return call(family.parent.guest, CallCode::MapStatsPage2, abi::MapStatsPageInput{what, location});
}

Status unmap(Family const& family, abi::UnmapStatsPageInput const& what)
{
    return call(family.parent.guest, CallCode::UnmapStatsPage, what);
}

} // namespace

TEST_CASE("statistics pages lie over pages of who asks (newest)", "[children][stats]")
{
    Family const family;
    REQUIRE(family.parent.create_vp(family.id, 0) == Status::Success);
    std::memset(family.parent.guest.ram.get() + page * page_size, 0x77, page_size);
    abi::UnmapStatsPageInput const own{StatsObject::Partition, 0, {self, 0, 0, 0, 0}};
    CHECK(map(family, own) == Status::Success);
    CHECK(family.at<std::uint64_t>(page) == 0);
    CHECK(family.parent.deposit(family.id, {page}) == abi::result(Status::ObjectInUse, 0));
    CHECK(map(family, own, page + 1) == Status::InvalidParameter); // it is there
    CHECK(unmap(family, own) == Status::Success);
    CHECK(family.at<std::uint8_t>(page) == 0x77);
    CHECK(unmap(family, own) == Status::InvalidParameter);

    CHECK(map(family, {StatsObject::Vp, 0, {self, 1, 0, 0, 0}}) == Status::Success);
    CHECK(map(family, {StatsObject::Vp, 0, {family.id, 0, 0, 0, 1}}, page + 1) == Status::Success);
    CHECK(family.parent.finalize(family.id) == Status::Success);
    CHECK(unmap(family, {StatsObject::Vp, 0, {self, 1, 0, 0, 0}}) == Status::Success);
}

TEST_CASE("statistics pages: every status (newest)", "[children][stats]")
{
    Family const family;
    CHECK(map(family, {StatsObject::Vp, 0, {self, 9, 0, 0, 0}}) == Status::InvalidVpIndex);
    CHECK(map(family, {StatsObject::Partition, 1, {self, 0, 0, 0, 0}}) == Status::InvalidParameter);
    CHECK(map(family, {StatsObject::Partition, 0, {self, 1, 0, 0, 0}}) == Status::InvalidParameter);
    CHECK(map(family, {StatsObject::Partition, 0, {self, 0, 1, 0, 0}}) == Status::InvalidParameter);
    CHECK(map(family, {StatsObject::Partition, 0, {self, 0, 0, 1, 0}}) == Status::InvalidParameter);
    CHECK(map(family, {StatsObject::Partition, 0, {self, 0, 0, 0, 2}}) == Status::InvalidParameter);
    CHECK(map(family, {static_cast<StatsObject>(1), 0, {self, 0, 0, 0, 0}}) == Status::InvalidParameter);
    CHECK(map(family, {StatsObject::Partition, 0, {999, 0, 0, 0, 0}}) == Status::InvalidPartitionId);
    auto const young = family.parent.create().id;
    CHECK(map(family, {StatsObject::Partition, 0, {young, 0, 0, 0, 0}}) == Status::InvalidPartitionState);
    for (auto const bad : {std::uint64_t{0x10}, std::uint64_t{TestGuest::pages}, ~std::uint64_t{0}})
        CHECK(map(family, {StatsObject::Partition, 0, {self, 0, 0, 0, 0}}, bad) == Status::InvalidParameter);
}
