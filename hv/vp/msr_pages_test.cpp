/// The synthetic MSRs that place overlay pages: HYPERCALL, REFERENCE_TSC, VP_ASSIST_PAGE and SIRBP.
#include "hv/abi/msr.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/msr_guest.hpp"

using namespace hv;
using namespace hv::testing;
namespace msr = abi::msr;

TEST_CASE("HYPERCALL: no enabling without a guest OS ID, and none left after it is cleared (TLFS 2.0a 4.12)",
          "[msrs]")
{
    MsrGuest const g;
    CHECK(g.write(msr::hypercall, 0x3001));
    CHECK(g.read(msr::hypercall) == 0x3000U); // the enable bit stays zero
    CHECK(g.guest.ram[0x3000] == std::byte{0});
    CHECK_FALSE(g.guest.partition->hypercalls_enabled());

    CHECK(g.write(msr::guest_os_id, 0x8100'0000'0000'0000));
    CHECK(g.read(msr::guest_os_id, 1) == 0x8100'0000'0000'0000U); // shared by the VPs
    CHECK(g.write(msr::hypercall, 0x3001, 1));
    CHECK(g.read(msr::hypercall) == 0x3001U);
    CHECK(g.guest.ram[0x3000] != std::byte{0});
    CHECK(g.guest.partition->hypercalls_enabled());

    CHECK(g.write(msr::guest_os_id, 0));
    CHECK(g.read(msr::hypercall) == 0x3000U);
    CHECK(g.guest.ram[0x3000] == std::byte{0}); // uncovered
    CHECK_FALSE(g.guest.partition->hypercalls_enabled());
}

TEST_CASE("HYPERCALL: #GP for a place beyond the guest's memory, and the page stays where it was (TLFS 2.0a 4.12)",
          "[msrs]")
{
    MsrGuest const g;
    REQUIRE(g.write(msr::guest_os_id, 1));
    REQUIRE(g.write(msr::hypercall, 0x3001));
    CHECK_FALSE(g.write(msr::hypercall, TestGuest::pages * page_size | 1));
    CHECK_FALSE(g.write(msr::hypercall, 0xFFFF'FFFF'FFFF'F001));
    CHECK(g.read(msr::hypercall) == 0x3001U);
    CHECK(g.guest.ram[0x3000] != std::byte{0});
    CHECK(g.write(msr::hypercall, 0xFFFF'FFFF'FFFF'F000)); // not enabled: anything
}

TEST_CASE("HYPERCALL: moving it uncovers the former place (TLFS 2.0a 8.1.3)", "[msrs]")
{
    MsrGuest const g;
    REQUIRE(g.write(msr::guest_os_id, 1));
    g.guest.ram[0x3123] = std::byte{0x5A};
    g.guest.ram[0x8123] = std::byte{0xA5};
    REQUIRE(g.write(msr::hypercall, 0x3001));
    REQUIRE(g.write(msr::hypercall, 0x8001));
    CHECK(g.guest.ram[0x3123] == std::byte{0x5A});
    CHECK(g.guest.ram[0x8000] == std::byte{0x50});
    REQUIRE(g.write(msr::hypercall, 0));
    CHECK(g.guest.ram[0x8123] == std::byte{0xA5});
}

TEST_CASE("HYPERCALL: once locked it is immutable (TLFS 6.0b 3.13)", "[msrs]")
{
    MsrGuest const g;
    REQUIRE(g.write(msr::guest_os_id, 1));
    REQUIRE(g.write(msr::hypercall, 0x3003));
    CHECK(g.write(msr::hypercall, 0x8001));
    CHECK(g.write(msr::hypercall, 0));
    CHECK(g.read(msr::hypercall) == 0x3003U);
    CHECK(g.guest.ram[0x8000] == std::byte{0});

    MsrGuest const without{lacking({}, Feature::HypercallMsrLock)};
    REQUIRE(without.write(msr::guest_os_id, 1));
    REQUIRE(without.write(msr::hypercall, 0x3003));
    CHECK(without.read(msr::hypercall) == 0x3001U);
    REQUIRE(without.write(msr::hypercall, 0x8001));
    CHECK(without.read(msr::hypercall) == 0x8001U);
}

TEST_CASE("REFERENCE_TSC: the page shows the clock that the counter reads (TLFS 2.0a 15.4)", "[msrs]")
{
    MsrGuest g;
    g.guest.ram[0x9800] = std::byte{0x77};
    REQUIRE(g.write(msr::reference_tsc, 0x9001));
    abi::ReferenceTscPage page{};
    REQUIRE(g.guest.memory.read(Gpa{0x9000}, page));
    CHECK(page.sequence != 0);
    CHECK(page.sequence != 0xFFFF'FFFF);
    CHECK(g.guest.ram[0x9800] == std::byte{0}); // the rest of the page is reserved
    for (std::uint64_t ticks : {0U, 1U, 999U, 1'000'000U}) {
        g.guest.clock.advance_100ns(ticks);
        __extension__ using Wide = unsigned __int128;
        auto const scaled = static_cast<std::uint64_t>(static_cast<Wide>(g.guest.clock.tsc) * page.scale >> 64);
        CHECK(g.read(msr::time_ref_count) == scaled + static_cast<std::uint64_t>(page.offset));
    }
    REQUIRE(g.write(msr::reference_tsc, 0));
    CHECK(g.guest.ram[0x9800] == std::byte{0x77});
    CHECK(g.write(msr::reference_tsc, 0xFFFF'0000'0001)); // beyond memory: kept, and no page (15.4.1)
    CHECK(g.read(msr::reference_tsc) == 0xFFFF'0000'0001U);
    CHECK(g.guest.controls[0]->accelerated.reference_tsc_pages ==
          std::vector{Gpa{0x9000}}); // the machine hears of what is there
}

TEST_CASE("VP_ASSIST_PAGE is offered to all, each VP has its own, and it is an overlay (TLFS 6.0b 7.8)", "[msrs]")
{
    MsrGuest const g{Rights{}};
    g.guest.ram[0xA010] = std::byte{0x42};
    CHECK(g.write(msr::vp_assist_page, 0xA001, 1));
    CHECK(g.read(msr::vp_assist_page, 1) == 0xA001U);
    CHECK(g.read(msr::vp_assist_page, 0) == 0U);
    CHECK(g.guest.ram[0xA010] == std::byte{0});
    CHECK(g.write(msr::vp_assist_page, 0, 1));
    CHECK(g.guest.ram[0xA010] == std::byte{0x42});
}

TEST_CASE("the machine lets go of the assist page before what lay under it comes back (TLFS 6.0b 7.8, 10.3.5)",
          "[msrs]")
{
    auto rights = Rights::ordinary();
    rights.set(Recommendation::ApicMsrs, true);
    MsrGuest const g{rights};
    auto const& ram = g.guest.ram;
    g.guest.ram[0xA010] = std::byte{0x42};
    struct Placed {
        std::optional<Gpa> page;
        bool hides_memory;
        bool operator==(Placed const&) const = default;
    };
    std::vector<Placed> placed;
    g.guest.controls[1]->accelerated.assist_page_placed = [&](std::optional<Gpa> page) {
        placed.push_back({page, ram[0xA010] == std::byte{0}});
    };
    CHECK(g.write(msr::vp_assist_page, 0xA001, 1));
    CHECK(g.write(msr::vp_assist_page, 0xB001, 1));
    CHECK(g.write(msr::vp_assist_page, 0, 1));
    CHECK(placed ==
          std::vector<Placed>{{{}, false}, {Gpa{0xA000}, true}, {{}, true}, {Gpa{0xB000}, false}, {{}, false}});

    MsrGuest const without{};
    without.guest.controls[1]->accelerated.assist_page_placed = [](auto) {
        FAIL("nobody below looks into the page");
    };
    CHECK(without.write(msr::vp_assist_page, 0xA001, 1));
}

TEST_CASE("SIRBP: each VP's page of event rings is an overlay of zeros, also where there is no RAM (Linux)", "[msrs]")
{
    MsrGuest const g{Rights::root()};
    g.guest.ram[0xA010] = std::byte{0x42};
    g.guest.ram[0xB010] = std::byte{0x43};
    CHECK(g.write(msr::sirbp, 0xA001, 1));
    CHECK(g.read(msr::sirbp, 1) == 0xA001U);
    CHECK(g.read(msr::sirbp, 0) == 0U);
    CHECK(g.guest.ram[0xA010] == std::byte{0});
    g.guest.ram[0xA020] = std::byte{0x99}; // the guest's, as it takes ports out of a ring
    CHECK(g.write(msr::sirbp, 0xB001, 1));
    CHECK(g.guest.ram[0xA010] == std::byte{0x42});
    CHECK(g.guest.ram[0xB010] == std::byte{0});
    CHECK(g.guest.ram[0xB020] == std::byte{0x99});
    CHECK(g.write(msr::sirbp, 0xFFFF'FFFF'FFFF'F001, 1));
    CHECK(g.guest.ram[0xB010] == std::byte{0x43});
    CHECK(g.write(msr::sirbp, 0, 1));
}
