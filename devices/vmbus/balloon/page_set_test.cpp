#include "devices/vmbus/balloon/page_set.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

using devices::vmbus::PageRange;
using devices::vmbus::PageSet;

TEST_CASE("A set of pages counts each page once", "[balloon]")
{
    PageSet set;
    CHECK(set.size() == 0);
    CHECK_FALSE(set.has_any_of({0, PageSet::most_pages}));
    set.add({60, 10});
    set.add({65, 70});
    CHECK(set.size() == 75);
    CHECK(set.has_any_of({134, 1}));
    CHECK_FALSE(set.has_any_of({135, 1000}));
    CHECK_FALSE(set.has_any_of({0, 60}));

    set.remove({64, 64});
    CHECK(set.size() == 11);
    set.remove({1'000'000, 5});
    set.remove({130, 1000});
    CHECK(set.size() == 6);
}

TEST_CASE("Runs of pages come out of a set from the lowest on", "[balloon]")
{
    PageSet set;
    CHECK(set.first_run(5).count == 0);
    set.add({63, 2});
    set.add({128, 200});
    set.add({10, 1});
    std::vector<PageRange> runs;
    while (set.size() != 0) {
        runs.push_back(set.first_run(128));
        set.remove(runs.back());
    }
    CHECK(runs == std::vector<PageRange>{{10, 1}, {63, 2}, {128, 128}, {256, 72}});
    set.add({0, 64});
    CHECK(set.first_run(PageSet::most_pages) == PageRange{0, 64});
}

TEST_CASE("A set of pages is saved and restored", "[balloon][state]")
{
    PageSet set;
    set.add({100, 3});
    set.add({7, 1});
    hv::testing::SavedState saved;
    saved.save(set);
    PageSet other;
    other.add({1, 1});
    saved.restore(other);
    CHECK(other.size() == 4);
    CHECK(other.first_run(9) == PageRange{7, 1});
}
