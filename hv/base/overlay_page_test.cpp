/// GPA overlay pages (TLFS 2.0a §8.1.3).
#include "hv/base/overlay_page.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>

using namespace hv;

namespace {

struct Pages {
    static constexpr std::size_t count = 4;
    alignas(page_size) std::array<std::byte, count * page_size> ram{};
    GuestMemory memory;

    Pages()
    {
        memory.add({Gpa{0x1000}, ram.size(), ram.data()});
        for (std::size_t i = 0; i < ram.size(); ++i)
            ram[i] = static_cast<std::byte>(i / page_size + 1);
    }
    [[nodiscard]] bool shows(std::size_t page, unsigned value) const
    {
        return std::all_of(ram.begin() + static_cast<std::ptrdiff_t>(page * page_size),
                           ram.begin() + static_cast<std::ptrdiff_t>((page + 1) * page_size),
                           [&](auto b) { return b == static_cast<std::byte>(value); });
    }
};

OverlayPage::Content filled(unsigned value)
{
    OverlayPage::Content content;
    content.fill(static_cast<std::byte>(value));
    return content;
}

} // namespace

TEST_CASE("an overlay covers a page, and what lay under it comes back (TLFS 2.0a 8.1.3)", "[overlay]")
{
    Pages p;
    OverlayPage overlay;
    CHECK(overlay.host() == nullptr);
    CHECK(overlay.map(p.memory, Gpa{0x1ABC})); // the low 12 bits do not count
    CHECK(overlay.host() == p.ram.data());
    CHECK(p.shows(0, 0)); // cleared
    overlay.unmap();
    CHECK(overlay.host() == nullptr);
    CHECK(p.shows(0, 1));
    overlay.unmap();
    CHECK(p.shows(0, 1));
}

TEST_CASE("an overlay keeps its content while it is away and when it moves (TLFS 2.0a 8.1.3)", "[overlay]")
{
    Pages p;
    OverlayPage overlay;
    REQUIRE(overlay.map(p.memory, Gpa{0x1000}));
    std::fill_n(p.ram.begin(), page_size, std::byte{0x77}); // the guest writes to it
    REQUIRE(overlay.map(p.memory, Gpa{0x3000}));
    CHECK(p.shows(0, 1));
    CHECK(p.shows(2, 0x77));
    overlay.unmap();
    CHECK(p.shows(2, 3));
    REQUIRE(overlay.map(p.memory, Gpa{0x4000}));
    CHECK(p.shows(3, 0x77));
}

TEST_CASE("mapping an overlay where it is already changes nothing", "[overlay]")
{
    Pages p;
    OverlayPage overlay;
    overlay.fill(filled(0x55));
    REQUIRE(overlay.map(p.memory, Gpa{0x2000}));
    REQUIRE(overlay.map(p.memory, Gpa{0x2000}));
    CHECK(p.shows(1, 0x55));
    overlay.unmap();
    CHECK(p.shows(1, 2));
}

TEST_CASE("an overlay where there is no RAM covers nothing and uncovers its former place (TLFS 2.0a 14.6.3)",
          "[overlay]")
{
    Pages p;
    OverlayPage overlay;
    REQUIRE(overlay.map(p.memory, Gpa{0x1000}));
    for (auto const gpa : {std::uint64_t{0}, std::uint64_t{0x5000}, std::uint64_t{0xFEE0'0000}, ~std::uint64_t{0}}) {
        CHECK_FALSE(overlay.map(p.memory, Gpa{gpa}));
        CHECK(overlay.host() == nullptr);
        CHECK(p.shows(0, 1));
        REQUIRE(overlay.map(p.memory, Gpa{0x1000}));
    }
}

TEST_CASE("fill sets the content, mapped or not", "[overlay]")
{
    Pages p;
    OverlayPage overlay;
    overlay.fill(filled(0x11));
    REQUIRE(overlay.map(p.memory, Gpa{0x1000}));
    CHECK(p.shows(0, 0x11));
    overlay.fill(filled(0x22));
    CHECK(p.shows(0, 0x22));
    CHECK(p.shows(1, 2));
}

TEST_CASE("two overlays on one page, taken away last first, restore it (TLFS 2.0a 8.1.3)", "[overlay]")
{
    Pages p;
    OverlayPage lower;
    OverlayPage upper;
    lower.fill(filled(0x11));
    upper.fill(filled(0x22));
    REQUIRE(lower.map(p.memory, Gpa{0x1000}));
    REQUIRE(upper.map(p.memory, Gpa{0x1000}));
    CHECK(p.shows(0, 0x22));
    upper.unmap();
    CHECK(p.shows(0, 0x11)); // the other one becomes visible
    lower.unmap();
    CHECK(p.shows(0, 1));
}
