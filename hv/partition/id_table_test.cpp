#include "hv/partition/id_table.hpp"
#include "hv/testing/catch.hpp"

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
