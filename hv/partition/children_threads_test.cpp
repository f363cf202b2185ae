/// Several VPs of a parent make, feed and take apart the same children at once.
#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/child_host.hpp"

#include <array>
#include <atomic>
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

TEST_CASE("VPs that change the VPs and the memory of one child at once leave nothing behind", "[children][threads]")
{
    constexpr unsigned rounds = 200;
    PartitionRegistry registry;
    ParentGuest const parent{registry};
    auto& children = *parent.guest.partition->children();
    auto const made = parent.create({.flags = abi::creation_flag::intercept_page});
    REQUIRE(status_of(parent.deposit(made.id, ParentGuest::spare_pages(48))) == Status::Success);
    REQUIRE(parent.initialize(made.id) == Status::Success);
    auto const child = registry.find(PartitionId{made.id});
    auto const balance = children.balance(*child);

    std::atomic<unsigned> wrong{0};
    auto const work = [&](std::uint64_t number) {
        std::array<std::uint64_t, 3> const pages{0xC + number, 0xD, 0xC};
        for (unsigned round = 0; round < rounds; ++round) {
            VpIndex const vp{round % 2};
            (void)children.create_vp(*child, vp);
            (void)children.map(*child, number + round % 5, pages, GpaAccess::ReadWrite);
            (void)children.show_page(*child, vp, abi::VpStatePage::InterceptMessage, 0xF);
            (void)children.deposit(*child, std::array<std::uint64_t, 1>{0xD});
            (void)children.hide_page(*child, vp, abi::VpStatePage::InterceptMessage);
            (void)children.unmap(*child, round % 7, 3);
            {
                Partition::Visit const visit{*child};
                if (auto* const found = child->vp(vp); found && found->index() != vp) ++wrong;
            }
            (void)children.delete_vp(*child, vp);
        }
    };
    std::array threads{std::thread{work, 0}, std::thread{work, 1}, std::thread{work, 2}};
    for (auto& thread : threads)
        thread.join();
    for (std::uint32_t vp = 0; vp < 2; ++vp)
        (void)children.delete_vp(*child, VpIndex{vp});
    CHECK(wrong == 0);
    CHECK(children.unmap(*child, 0, 100) == Status::Success);
    CHECK(parent.host.alive.processors == 0);
    CHECK(children.balance(*child).in_use == balance.in_use);
    CHECK(parent.host.last->runs.empty());
}
