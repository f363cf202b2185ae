#include "hv/port/id_table.hpp"
#include "hv/testing/catch.hpp"

#include <map>

TEST_CASE("an ID of more than 24 bits is in no table and gets no room (TLFS 2.0a 14.8.6)", "[tables]")
{
    hv::MemoryPool pool{1 << 20};
    hv::IdTable table{pool};
    REQUIRE(table.reserve(0x00FF'FFFF));
    table.set(0x00FF'FFFF, 42);

    CHECK(table.find(0x00FF'FFFF) == 42);
    CHECK(table.find(0xFFFF'FFFF) == 0);
    CHECK(table.find(0x0100'0000) == 0);
    CHECK_FALSE(table.reserve(0x0100'0000));
}

TEST_CASE("a table is charged for its nodes, and refuses when the pool is exhausted", "[tables]")
{
    hv::MemoryPool pool{6000};
    hv::IdTable table{pool};
    REQUIRE(table.reserve(0));
    auto const left = pool.free_bytes();
    CHECK(table.reserve(1)); // the same leaf
    CHECK(pool.free_bytes() == left);
    CHECK_FALSE(table.reserve(0x0080'0000));
    CHECK(table.find(0x0080'0000) == 0);
}

TEST_CASE("a table finds what was set, over all 24 bits, and visits nothing else", "[tables]")
{
    hv::MemoryPool pool{1 << 20};
    hv::IdTable table{pool};
    std::map<std::uint32_t, std::uint64_t> expected;
    for (std::uint32_t const id : {0U, 1U, 0xFFU, 0x100U, 0xFFFFU, 0x1'0000U, 0x12'3456U, 0xFF'FFFFU}) {
        REQUIRE(table.reserve(id));
        CHECK(table.find(id) == 0);
        table.set(id, id + 1);
        expected[id] = id + 1;
    }
    for (auto const& [id, value] : expected)
        CHECK(table.find(id) == value);
    CHECK(table.find(2) == 0);
    CHECK(table.find(0x20'0000) == 0);

    std::map<std::uint32_t, std::uint64_t> visited;
    table.for_each([&](std::uint32_t id, std::uint64_t value) { visited[id] = value; });
    CHECK(visited == expected);
    table.set(0x12'3456, 0);
    CHECK(table.find(0x12'3456) == 0);
}

TEST_CASE("a pool gives no more than it has", "[tables]")
{
    hv::MemoryPool pool{100};
    CHECK(pool.charge(60));
    CHECK_FALSE(pool.charge(41));
    CHECK_FALSE(pool.charge(~std::uint64_t{0}));
    CHECK(pool.free_bytes() == 40);
    CHECK(pool.charge(40));
    CHECK(pool.charge(0));
    CHECK_FALSE(pool.charge(1));
    pool.release(100);
    CHECK(pool.free_bytes() == 100);
}
