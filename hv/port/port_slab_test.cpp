/// Handles that outlive their ports.
#include "hv/port/port_slab.hpp"
#include "hv/testing/catch.hpp"

#include <set>
#include <vector>

using namespace hv;

TEST_CASE("a handle is never 0 and carries index and generation", "[slab]")
{
    PortHandle const handle{0xFF'FFFF, 0xFF'FFFF'FFFF};
    CHECK(handle.index() == 0xFF'FFFF);
    CHECK(handle.generation() == 0xFF'FFFF'FFFF);
    CHECK(PortHandle{handle.word}.index() == handle.index());
    CHECK_FALSE(PortHandle{});
    PortSlab slab;
    CHECK(slab.allocate());
}

TEST_CASE("a slot that is given back is used again under another generation", "[slab]")
{
    PortSlab slab;
    auto const first = slab.allocate();
    auto const* const place = &slab.at(first);
    for (unsigned i = 0; i < 100; ++i) {
        auto const former = PortHandle{first.index(), slab.at(first).generation};
        slab.release(former);
        auto const next = slab.allocate();
        CHECK(next.index() == first.index());
        CHECK(next.generation() == former.generation() + 1);
        CHECK(&slab.at(next) == place);
        CHECK(&slab.at(first) == place); // a stale handle still finds a port, with another generation
        CHECK(slab.at(first).generation != first.generation());
    }
}

TEST_CASE("a slot whose generations are used up is retired", "[slab]")
{
    PortSlab slab;
    auto const first = slab.allocate();
    constexpr auto last = (std::uint64_t{1} << 40) - 1;
    slab.at(first).generation = last;
    slab.release(PortHandle{first.index(), last});
    CHECK(slab.allocate().index() != first.index());
}

TEST_CASE("many ports at once have places of their own, across chunks", "[slab]")
{
    PortSlab slab;
    std::vector<PortHandle> handles;
    std::set<Port const*> places;
    for (unsigned i = 0; i < 16'500; ++i) {
        auto const handle = slab.allocate();
        REQUIRE(handle);
        handles.push_back(handle);
        places.insert(&slab.at(handle));
    }
    CHECK(places.size() == handles.size());
    for (auto const handle : handles)
        slab.release(handle);
    for (unsigned i = 0; i < handles.size(); ++i)
        CHECK(slab.allocate().index() < handles.size()); // no growth while there are free ones
}
