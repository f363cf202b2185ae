/// A parent that goes while other partitions make calls about its children. Meant for ThreadSanitizer.
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/threads.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;

TEST_CASE("a parent may go while others name its child, and nobody gains a right by it (TLFS 2.0a 5.6.4)",
          "[threads]")
{
    constexpr unsigned rounds = 200;
    PartitionRegistry registry;
    TestGuest const child{registry};
    TestGuest const stranger{registry};
    auto const child_id = child.partition->id().value;
    abi::DeletePortInput const input{child_id, 1, 0};
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> calls{0};
    unsigned others = 0;
    unsigned lost_itself = 0;
    unsigned wrong_parents = 0;

    run_together({
        [&] { // whoever the parent is, it is not this one
            while (!done) {
                others += call(stranger, CallCode::DeletePort, input) != Status::AccessDenied;
                ++calls;
            }
        },
        [&] { // and a partition may always act for itself
            while (!done)
                lost_itself += call(child, CallCode::DeletePort, input) != Status::InvalidPortId;
        },
        [&] {
            Patience const time{std::chrono::seconds{20}};
            for (unsigned round = 0; round < rounds && time.lasts(); ++round) {
                TestGuest const parent{registry};
                registry.set_parent(*child.partition, parent.partition->id());
                wrong_parents += call(parent, CallCode::DeletePort, input) != Status::InvalidPortId;
                auto const before = calls.load();
                while (calls.load() == before && time.lasts())
                    std::this_thread::yield();
                registry.remove(*parent.partition);
                wrong_parents += child.partition->parent() != PartitionRegistry::root_id;
            }
            done = true;
        },
    });
    CHECK(others == 0);
    CHECK(lost_itself == 0);
    CHECK(wrong_parents == 0);
    CHECK(calls >= rounds);
}

TEST_CASE("children that come while their parent goes are its or the root's, and never nobody's", "[threads]")
{
    PartitionRegistry registry;
    for (unsigned round = 0; round < 50; ++round) {
        auto parent = std::make_unique<TestGuest>(registry);
        auto const parent_id = parent->partition->id();
        std::vector<std::unique_ptr<TestGuest>> children;
        run_together({
            [&] {
                for (int i = 0; i < 8; ++i)
                    children.push_back(std::make_unique<TestGuest>(registry, Rights::root(), 1, parent_id));
            },
            [&] { registry.remove(*parent->partition); },
        });
        for (auto const& child : children) {
            REQUIRE(child->partition->parent() == PartitionRegistry::root_id);
            registry.remove(*child->partition);
        }
    }
}
