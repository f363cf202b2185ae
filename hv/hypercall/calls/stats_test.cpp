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
    CHECK(family.at<std::uint8_t>(page) == 0);
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

TEST_CASE("a partition's statistics page follows its VPs, its pool and its map (newest; Linux, mshv_debugfs)",
          "[children][stats]")
{
    namespace counter = abi::partition_counter;
    using Counters = std::array<std::uint64_t, 512>;
    Family const family;
    auto const& parent = family.parent;
    REQUIRE(map(family, {StatsObject::Partition, 0, {family.id, 0, 0, 0, 1}}) == Status::Success);
    REQUIRE(map(family, {StatsObject::Partition, 0, {self, 0, 0, 0, 0}}, page + 1) == Status::Success);
    auto const of_child = [&](std::size_t place) { return family.at<Counters>(page).at(place); };
    auto const own = [&](std::size_t place) { return family.at<Counters>(page + 1).at(place); };
    CHECK(of_child(counter::partition_id) == family.id);
    CHECK(of_child(counter::deposited_pages) == 48);
    CHECK(of_child(counter::virtual_processors) == 0);
    CHECK(own(counter::virtual_processors) == 2);
    CHECK(own(counter::active_children) == 1);

    REQUIRE(parent.create_vp(family.id, 1) == Status::Success);
    CHECK(of_child(counter::virtual_processors) == 1);
    constexpr auto readable = abi::map_flag::readable;
    REQUIRE(status_of(parent.map(family.id, 7, {1, 2}, readable)) == Status::Success);
    CHECK(of_child(counter::gpa_pages) == 2);
    CHECK(of_child(counter::gpa_space_modifications) == 1);
    REQUIRE(status_of(parent.unmap(family.id, 7, 1)) == Status::Success);
    CHECK(of_child(counter::gpa_pages) == 1);
    REQUIRE(parent.delete_vp(family.id, 1) == Status::Success);
    CHECK(of_child(counter::virtual_processors) == 0);
    REQUIRE(parent.finalize(family.id) == Status::Success);
    CHECK(own(counter::active_children) == 0);
}

TEST_CASE("a VP's statistics page counts its intercepts, and goes with it (newest; Linux, mshv_debugfs)",
          "[children][stats]")
{
    namespace counter = abi::vp_counter;
    Family const family;
    REQUIRE(family.parent.create_vp(family.id, 0) == Status::Success);
    auto& processor = family.processor();
    processor.supervisor->intercepted({.kind = Intercept::Kind::Halt}); // counted before anybody looks
    abi::UnmapStatsPageInput const vp{StatsObject::Vp, 0, {family.id, 0, 0, 0, 0}};
    REQUIRE(map(family, vp) == Status::Success);
    for (int i = 0; i < 3; ++i)
        processor.supervisor->intercepted({.kind = Intercept::Kind::PortAccess});
    processor.supervisor->intercepted({.kind = Intercept::Kind::MemoryAccess});
    processor.supervisor->ended(0x41);
    auto const counters = family.at<std::array<std::uint64_t, 512>>(page);
    CHECK(counters[counter::io_instructions] == 3);
    CHECK(counters[counter::io_messages] == 3);
    CHECK(counters[counter::memory_messages] == 1);
    CHECK(counters[counter::hlt_instructions] == 1);
    CHECK(counters[counter::other_messages] == 1);
    CHECK(counters[counter::apic_eois] == 1);
    CHECK(counters[counter::run_time] == processor.fake.runtime_100ns());
    REQUIRE(family.parent.delete_vp(family.id, 0) == Status::Success);
    CHECK(family.at<std::uint64_t>(page) == 0); // what lay there before
    REQUIRE(family.parent.create_vp(family.id, 0) == Status::Success);
    CHECK(unmap(family, vp) == Status::InvalidParameter);
}
