/// Several VPs of a parent make, feed and take apart the same children at once.
#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/child_host.hpp"

#include <array>
#include <thread>
#include <vector>

using namespace hv;
using namespace hv::testing;

TEST_CASE("VPs that deal with the same children at once lose no page and no child", "[children][threads]")
{
    constexpr unsigned rounds = 300;
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    auto& partition = *parent.guest.partition;
    auto& children = *partition.children();
    auto const pool = partition.pool().free_bytes();

    /// Whatever child is there; another thread may delete it at the same time.
    auto const some_child = [&] {
        auto const id = registry.next_child(partition.id(), invalid_partition);
        return id ? registry.find(*id) : nullptr;
    };
    auto const work = [&](unsigned number) {
        auto const pages = ParentGuest::spare_pages(34, 0x10 + number % 2); // those of others overlap
        std::array<std::uint64_t, 64> back{};
        for (unsigned round = 0; round < rounds; ++round) {
            (void)children.create(0);
            auto const child = some_child();
            if (!child || !child->child()) continue;
            (void)children.deposit(*child, pages);
            (void)children.initialize(*child);
            (void)children.balance(*child);
            (void)children.finalize(*child);
            (void)children.withdraw(*child, back);
            (void)children.remove(*child);
        }
    };
    std::vector<std::jthread> threads;
    for (unsigned n = 0; n < 4; ++n)
        threads.emplace_back(work, n);
    threads.clear(); // joins

    while (auto const child = some_child()) {
        std::array<std::uint64_t, 64> back{};
        (void)children.finalize(*child);
        (void)children.withdraw(*child, back);
        REQUIRE(children.remove(*child) == Status::Success);
    }
    CHECK(children.count() == 0);
    CHECK(children.deposited_pages() == 0);
    CHECK(parent.host.hidden.empty());
    CHECK(parent.host.alive.machines.load() == 0);
    CHECK(partition.pool().free_bytes() == pool);
}
