/// The two forms of XSAVE's area (Intel SDM vol. 1 §13.4), and a local APIC's registers.
#include "hv/child/local_apic_state.hpp"
#include "hv/child/xsave_area.hpp"
#include "hv/testing/catch.hpp"

#include <cstring>

using namespace hv;

namespace {

constexpr std::uint64_t compact = std::uint64_t{1} << 63;

/// x87, SSE, AVX, and two more, of which the last is aligned.
std::vector<CpuidEntry> const leaves{{0xD, 0, true, {0xA7, 0, 0, 0}},
                                     {0xD, 2, true, {256, 576, 0, 0}},
                                     {0xD, 5, true, {8, 1088, 0, 0}},
                                     {0xD, 7, true, {64, 1152, 2, 0}}};

void put(std::vector<std::byte>& area, std::size_t offset, std::uint64_t word)
{
    std::memcpy(area.data() + offset, &word, sizeof word);
}
std::uint64_t get(std::vector<std::byte> const& area, std::size_t offset)
{
    std::uint64_t word = 0;
    std::memcpy(&word, area.data() + offset, sizeof word);
    return word;
}

} // namespace

TEST_CASE("XSAVE's area, compacted and back", "[children][xsave]")
{
    XsaveLayout const layout{leaves};
    CHECK(layout.components() == 0xA7);
    CHECK(layout.most_bytes() == 576 + 256 + 64 + 64);
    std::vector<std::byte> area(most_xsave_bytes);
    put(area, 0, 0x37F);
    put(area, 512, 0x87);
    put(area, 576, 0x1111);
    put(area, 1088, 0x2222); // not in use
    put(area, 1152, 0x3333);
    auto const small = layout.compacted(area, ~std::uint64_t{0});
    CHECK(small.size() == layout.most_bytes());
    CHECK(get(small, 0) == 0x37F);
    CHECK(get(small, 512) == 0x87);
    CHECK(get(small, 520) == (compact | 0xA7));
    CHECK(get(small, 576) == 0x1111);
    CHECK(get(small, 832) == 0);
    CHECK(get(small, 896) == 0x3333);
    auto const back = layout.standard(small);
    REQUIRE(back);
    put(area, 1088, 0);
    CHECK(*back == area);
    CHECK(layout.standard(area) == area); // the standard form is taken as well

    auto const some = layout.compacted(area, 0x83);
    CHECK(some.size() == 576 + 64);
    CHECK(get(some, 512) == 0x83);
    CHECK(get(some, 576) == 0x3333);
    CHECK(get(*layout.standard(some), 1152) == 0x3333);
    CHECK(get(*layout.standard(some), 576) == 0);
}

TEST_CASE("malformed areas of XSAVE are refused", "[children][xsave]")
{
    XsaveLayout const layout{leaves};
    std::vector<std::byte> area(576);
    CHECK(layout.standard(area));
    CHECK_FALSE(layout.standard(std::span{area}.first(575)));
    put(area, 520, compact | 8);
    CHECK_FALSE(layout.standard(area)); // a component that there is not
    put(area, 520, compact | 3);
    put(area, 512, 4);
    CHECK_FALSE(layout.standard(area)); // in use, and not present
    put(area, 520, compact | 7);
    CHECK_FALSE(layout.standard(area)); // too short
    put(area, 520, 1);
    CHECK_FALSE(layout.standard(area));
    put(area, 520, 0);
    put(area, 512, 0x80);
    CHECK_FALSE(layout.standard(area));

    XsaveLayout const nothing{{}};
    CHECK(nothing.components() == 3);
    CHECK(nothing.most_bytes() == 576);
    std::vector<CpuidEntry> const absurd{{0xD, 0, true, {0x6C, 0, 0, 0}},
                                         {0xD, 2, true, {256, 0, 0, 0}},
                                         {0xD, 3, true, {0xFFFF'FFFF, 576, 0, 0}},
                                         {0xD, 5, true, {16, 16384, 0, 0}}};
    CHECK(XsaveLayout{absurd}.components() == 3);
}

TEST_CASE("a local APIC's registers as parents have them", "[children][apic]")
{
    LocalApicPage page{};
    for (std::size_t offset = 0; offset < page.size(); offset += 0x10) {
        auto const number = static_cast<std::uint32_t>(offset);
        std::memcpy(page.data() + offset, &number, sizeof number);
    }
    auto const state = state_of(page);
    CHECK(state.id == 0x20);
    CHECK(state.in_service[7] == 0x170);
    CHECK(state.trigger_mode[0] == 0x180);
    CHECK(state.requested[3] == 0x230);
    CHECK(state.error_status == 0x280);
    CHECK(state.machine_check == 0x2F0);
    CHECK(state.lint0 == 0x350);
    CHECK(state.divide == 0x3E0);
    auto changed = state;
    changed.lint0 = 0x700;
    changed.id = 77;
    auto put_back = page;
    put_state(put_back, changed);
    CHECK(state_of(put_back).lint0 == 0x700);
    CHECK(state_of(put_back).id == 0x20);
    put_state(put_back, state);
    CHECK(put_back == page);
}
