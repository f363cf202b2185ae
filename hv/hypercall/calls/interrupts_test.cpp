/// HvSendSyntheticClusterIpi and HvSendSyntheticClusterIpiEx (TLFS 6.0b §10.5.2, §10.5.3).
#include "hv/abi/vp_calls.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::VpSetFormat;

namespace {

constexpr std::uint64_t fast = 1 << 16;
constexpr unsigned vps = 130; // three banks

struct ManyVps {
    PartitionRegistry registry;
    TestGuest guest;

    explicit ManyVps(Rights rights = Rights::root()) : guest{registry, rights, vps} {}

    [[nodiscard]] Status send(std::uint32_t vector, std::uint64_t mask, std::uint8_t vtl = 0) const
    {
        return call(guest, CallCode::SendSyntheticClusterIpi, abi::SendClusterIpiInput{vector, vtl, {}, mask});
    }
    [[nodiscard]] Status send_ex(std::uint32_t vector, VpSetFormat format, std::uint64_t valid,
                                 std::vector<std::uint64_t> const& banks, std::uint8_t vtl = 0,
                                 std::uint64_t more_control = 0) const
    {
        REQUIRE(guest.memory.write(Gpa{place::input}, abi::SendClusterIpiExInput{vector, vtl, {}, format, valid}));
        for (std::size_t i = 0; i < banks.size(); ++i)
            REQUIRE(guest.memory.write(Gpa{place::input + 24 + i * 8}, banks[i]));
        auto const control =
            static_cast<std::uint64_t>(CallCode::SendSyntheticClusterIpiEx) | banks.size() << 17 | more_control;
        return status_of(dispatch(guest.vp(), {{control}, place::input, ~std::uint64_t{0}}));
    }
    /// The VPs that got an interrupt, which must all have been that vector.
    [[nodiscard]] std::vector<std::uint32_t> taken(std::uint8_t vector)
    {
        std::vector<std::uint32_t> targets;
        for (auto const& assertion : guest.sink.asserted) {
            CHECK(assertion == Assertion{assertion.vp, vector, false});
            targets.push_back(assertion.vp);
        }
        guest.sink.asserted.clear();
        return targets;
    }
};

using Targets = std::vector<std::uint32_t>;

Rights lacking(Recommendation recommendation)
{
    auto rights = Rights::root();
    rights.set(recommendation, false);
    return rights;
}

} // namespace

TEST_CASE("HvSendSyntheticClusterIpi: to each VP of the mask, slow and fast (TLFS 6.0b 10.5.2)", "[ipi]")
{
    ManyVps g;
    CHECK(g.send(0x40, 0b1011) == Status::Success);
    CHECK(g.taken(0x40) == Targets{0, 1, 3});
    CHECK(fast_call(g.guest, CallCode::SendSyntheticClusterIpi, 0xFF, std::uint64_t{1} << 63) == Status::Success);
    CHECK(g.taken(0xFF) == Targets{63});
    CHECK(g.send(0x10, 0) == Status::Success);
    CHECK(g.taken(0x10).empty());
    CHECK(g.send(0x10, 1, 0x10) == Status::Success); // VTL 0 by number
    CHECK(g.send(0x10, 1, 0x01) == Status::Success); // a number that is not to be used
}

TEST_CASE("HvSendSyntheticClusterIpi: VPs that do not exist are passed over", "[ipi]")
{
    PartitionRegistry registry;
    TestGuest guest{registry, Rights::root(), 2};
    CHECK(fast_call(guest, CallCode::SendSyntheticClusterIpi, 0x30, ~std::uint64_t{0}) == Status::Success);
    CHECK(guest.sink.asserted == std::vector<Assertion>{{0, 0x30, false}, {1, 0x30, false}});
}

TEST_CASE("cluster IPIs: INVALID_PARAMETER for a vector outside 0x10 to 0xFF, or another VTL (TLFS 6.0b 10.5)",
          "[ipi]")
{
    ManyVps g;
    for (std::uint32_t const vector : {0U, 1U, 2U, 0xFU, 0x100U, 0x1'0030U, ~0U}) {
        CHECK(g.send(vector, 1) == Status::InvalidParameter);
        CHECK(g.send_ex(vector, VpSetFormat::All, 0, {}) == Status::InvalidParameter);
    }
    for (auto const vtl : std::initializer_list<std::uint8_t>{0x11, 0x1F, 0x20, 0x80, 0xFF}) {
        CHECK(g.send(0x30, 1, vtl) == Status::InvalidParameter);
        CHECK(g.send_ex(0x30, VpSetFormat::All, 0, {}, vtl) == Status::InvalidParameter);
    }
    CHECK(g.guest.sink.asserted.empty());
}

TEST_CASE("HvSendSyntheticClusterIpiEx: a sparse set has a mask for each valid bank (newest, HV_VP_SET)", "[ipi]")
{
    ManyVps g;
    CHECK(g.send_ex(0x41, VpSetFormat::Sparse, 0b101, {0x21, 0x2}) == Status::Success);
    CHECK(g.taken(0x41) == Targets{0, 5, 129});
    CHECK(g.send_ex(0x41, VpSetFormat::Sparse, 0b111, {0, 1, 0}) == Status::Success); // an empty bank is valid
    CHECK(g.taken(0x41) == Targets{64});
    CHECK(g.send_ex(0x41, VpSetFormat::Sparse, 0, {}) == Status::Success);
    CHECK(g.taken(0x41).empty());
    // Banks and VPs that do not exist are passed over, all 64 of them.
    CHECK(g.send_ex(0x41, VpSetFormat::Sparse, ~std::uint64_t{0}, std::vector<std::uint64_t>(64, 0x8)) ==
          Status::Success);
    CHECK(g.taken(0x41) == Targets{3, 67});
}

TEST_CASE("HvSendSyntheticClusterIpiEx: format 1 is every VP, whatever else it says (newest, HV_VP_SET)", "[ipi]")
{
    ManyVps g;
    CHECK(g.send_ex(0x42, VpSetFormat::All, 0, {}) == Status::Success);
    CHECK(g.taken(0x42).size() == vps);
    CHECK(g.send_ex(0x42, VpSetFormat::All, 1, {0x8}) == Status::Success);
    CHECK(g.taken(0x42).size() == vps);
    CHECK(g.send_ex(0x42, VpSetFormat{2}, 1, {1}) == Status::InvalidParameter);
    CHECK(g.send_ex(0x42, VpSetFormat{~std::uint64_t{0}}, 1, {1}) == Status::InvalidParameter);
}

TEST_CASE("HvSendSyntheticClusterIpiEx: the variable header must hold as many masks as there are valid banks",
          "[ipi]")
{
    ManyVps g;
    CHECK(g.send_ex(0x43, VpSetFormat::Sparse, 0b11, {1}) == Status::InvalidHypercallInput);
    CHECK(g.send_ex(0x43, VpSetFormat::Sparse, 0b1, {1, 1}) == Status::InvalidHypercallInput);
    CHECK(g.send_ex(0x43, VpSetFormat::Sparse, 0b1, {}) == Status::InvalidHypercallInput);
    CHECK(g.send_ex(0x43, VpSetFormat::Sparse, 0b1, {1}, 0, reps(1)) == Status::InvalidHypercallInput);
    CHECK(g.send_ex(0x43, VpSetFormat::Sparse, 0b1, {1}, 0, reps(1, 1)) == Status::InvalidHypercallInput);
    CHECK(g.send_ex(0x43, VpSetFormat::Sparse, 0b1, {1}, 0, std::uint64_t{1} << 31) == Status::InvalidHypercallInput);
    CHECK(g.guest.sink.asserted.empty());

    // The header counts where the block must lie within a page (2.0a 4.6).
    auto const near_end = place::input + page_size - 32;
    REQUIRE(g.guest.memory.write(Gpa{near_end}, abi::SendClusterIpiExInput{0x43, 0, {}, VpSetFormat::All, 0}));
    auto const status = [&](std::uint64_t words) {
        auto const control = static_cast<std::uint64_t>(CallCode::SendSyntheticClusterIpiEx) | words << 17;
        return status_of(dispatch(g.guest.vp(), {{control}, near_end, 0}));
    };
    CHECK(status(1) == Status::Success);
    CHECK(status(2) == Status::InvalidAlignment);
    CHECK(status(0x3FF) == Status::InvalidAlignment);
}

TEST_CASE("HvSendSyntheticClusterIpiEx through XMM registers: up to eleven masks (newest, XMM fast input)", "[ipi]")
{
    ManyVps g;
    auto const through_xmm = [&](std::uint64_t words, std::uint64_t valid) {
        std::array<std::uint64_t, 14> block{0x44, 0, valid, 1, 2, 4}; // vector, format, banks, masks
        std::memcpy(g.guest.controls[0]->xmm.data(), block.data() + 2, 96);
        auto const control = static_cast<std::uint64_t>(CallCode::SendSyntheticClusterIpiEx) | fast | words << 17;
        return status_of(dispatch(g.guest.vp(), {{control}, block[0], block[1]}));
    };
    CHECK(through_xmm(3, 0b111) == Status::Success);
    CHECK(g.taken(0x44) == Targets{0, 65});
    CHECK(through_xmm(11, 0x7FF) == Status::Success);
    CHECK(through_xmm(12, 0xFFF) == Status::InvalidHypercallInput);

    auto rights = Rights::root();
    rights.set(Feature::XmmInput, false);
    ManyVps const without{rights};
    auto const control = static_cast<std::uint64_t>(CallCode::SendSyntheticClusterIpiEx) | fast;
    CHECK(status_of(dispatch(without.guest.vp(), {{control}, 0x44, 1})) == Status::InvalidHypercallInput);
}

TEST_CASE("cluster IPIs that CPUID does not recommend are not there (TLFS 6.0b 10.5.3)", "[ipi]")
{
    ManyVps without{Rights::ordinary()};
    CHECK(without.send(0x40, 1) == Status::InvalidHypercallCode);
    CHECK(without.send_ex(0x40, VpSetFormat::All, 0, {}) == Status::InvalidHypercallCode);
    ManyVps no_masks{lacking(Recommendation::ExProcessorMasks)};
    CHECK(no_masks.send(0x40, 1) == Status::Success);
    CHECK(no_masks.send_ex(0x40, VpSetFormat::All, 0, {}) == Status::InvalidHypercallCode);
    ManyVps no_ipi{lacking(Recommendation::ClusterIpi)};
    CHECK(no_ipi.send_ex(0x40, VpSetFormat::All, 0, {}) == Status::InvalidHypercallCode);
}
