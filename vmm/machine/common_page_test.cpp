#include "hv/testing/catch.hpp"
#include "vmm/machine/common_page.hpp"
#include "vmm/memory/guest_ram.hpp"

#include <algorithm>
#include <sys/mman.h>

using namespace vmm;

namespace {

/// Three pages of private memory, as guest RAM is.
struct Ram {
    std::byte* const start = static_cast<std::byte*>(
        ::mmap(nullptr, 3 * hv::page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

    Ram() = default;
    Ram(Ram const&) = delete;
    Ram& operator=(Ram const&) = delete;
    ~Ram() { ::munmap(start, 3 * hv::page_size); }
};

} // namespace

TEST_CASE("a common page is one memory wherever it shows, and goes without a trace", "[monitor]")
{
    Ram const one;
    Ram const other;
    auto* const middle = one.start + hv::page_size;
    auto* const last = other.start + 2 * hv::page_size;
    for (auto* const ram : {one.start, other.start})
        std::fill_n(ram, 3 * hv::page_size, std::byte{7});

    PageMap const page_map;
    auto page = MappedCommonPage::make(page_map);
    REQUIRE(page);
    CHECK(page->host()[0] == std::byte{0});
    REQUIRE(page->show_at(middle));
    REQUIRE(page->show_at(last));
    middle[100] = std::byte{1};
    last[101] = std::byte{2};
    CHECK(page->host()[100] == std::byte{1});
    CHECK(last[100] == std::byte{1});
    CHECK(middle[101] == std::byte{2});
    CHECK(middle[-1] == std::byte{7});
    CHECK(middle[hv::page_size] == std::byte{7});

    hv::PageContent content;
    content.fill(std::byte{9});
    page->hide_at(middle, content);
    CHECK(middle[0] == std::byte{9});
    CHECK(middle[100] == std::byte{9});
    middle[101] = std::byte{3};
    CHECK(page->host()[101] == std::byte{2});
    page.reset();
    CHECK(last[101] == std::byte{2}); // a place that was not uncovered stays what it was
}

TEST_CASE("RAM that is a file is the same memory again when a common page goes", "[monitor]")
{
    GuestRam const ram{MemoryLayout{layout::min_memory}, RamSharing::Always};
    auto* const guest_page = ram.ranges()[0].host + hv::page_size;
    auto* const elsewhere = static_cast<std::byte*>(
        ::mmap(nullptr, hv::page_size, PROT_READ | PROT_WRITE, MAP_SHARED, ram.fd(), hv::page_size));
    REQUIRE(elsewhere != MAP_FAILED);
    PageMap const page_map;
    auto page = MappedCommonPage::make(page_map);
    REQUIRE(page);
    hv::PageContent content;
    content.fill(std::byte{9});

    for (unsigned round = 0; round < 2; ++round) {
        REQUIRE(page->show_at(guest_page));
        guest_page[0] = std::byte{1};
        CHECK(page->host()[0] == std::byte{1});
        page->hide_at(guest_page, content);
        CHECK(elsewhere[0] == std::byte{9});
        guest_page[1] = std::byte{3};
        CHECK(elsewhere[1] == std::byte{3});
        CHECK(page->host()[0] == std::byte{1});
    }
    REQUIRE(page->show_at(guest_page)); // it ends while it shows
    page.reset();
    CHECK(guest_page[0] == std::byte{1});
    ::munmap(elsewhere, hv::page_size);
}
