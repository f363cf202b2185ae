/// The interface of rep calls (TLFS 2.0a §4.2, §4.7, §4.8; the newest hypercall-interface page), and
/// HvGetVpIndexFromApicId (6.0b §7.10.4) as the simplest of them.
#include "hv/abi/vp_calls.hpp"
#include "hv/hypercall/call_info.hpp"
#include "hv/hypercall/dispatch.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::ApicIdElement;
using abi::CallCode;
using abi::VpIndexElement;

namespace {

constexpr std::uint64_t fast = 1 << 16;
constexpr auto code = static_cast<std::uint64_t>(CallCode::GetVpIndexFromApicId);
constexpr abi::GetVpIndexFromApicIdInput self{self_partition.value, 0, {}};

struct ThreeVps {
    PartitionRegistry registry;
    TestGuest guest;

    explicit ThreeVps(Rights rights = Rights::root()) : guest{registry, rights, 3} {}

    [[nodiscard]] std::uint64_t indices(std::vector<ApicIdElement> const& ids, std::uint64_t start = 0,
                                        abi::GetVpIndexFromApicIdInput const& header = self) const
    {
        return rep_call(guest, CallCode::GetVpIndexFromApicId, header, ids, start);
    }
    [[nodiscard]] std::uint64_t raw(std::uint64_t control, std::uint64_t in, std::uint64_t out) const
    {
        return dispatch(guest.vp(), {{control}, in, out});
    }
    [[nodiscard]] std::uint32_t output(std::size_t index) const
    {
        return output_element<VpIndexElement>(guest, index).vp_index;
    }
    void taint_output() const { std::fill_n(guest.ram.get() + place::output, page_size, std::byte{0xEE}); }
};

} // namespace

TEST_CASE("a rep call works on its list, and all reps are done (TLFS 2.0a 4.2, 4.8)", "[rep]")
{
    ThreeVps const g;
    g.taint_output();
    auto const result = g.indices({{2, 0}, {0, 0xFFFF'FFFF}, {1, 0}}); // padding is ignored
    CHECK(result == abi::result(Status::Success, 3));
    CHECK(g.output(0) == 2);
    CHECK(g.output(1) == 0);
    CHECK(g.output(2) == 1);
    CHECK(output_element<VpIndexElement>(g.guest, 0).padding == 0);
    CHECK(g.output(3) == 0xEEEE'EEEE);
}

TEST_CASE("a rep call begins at its start index, and leaves the elements before it alone (TLFS 2.0a 4.2)", "[rep]")
{
    ThreeVps const g;
    g.taint_output();
    CHECK(g.indices({{77, 0}, {2, 0}, {1, 0}}, 1) == abi::result(Status::Success, 3)); // the first is done
    CHECK(g.output(0) == 0xEEEE'EEEE);
    CHECK(g.output(1) == 2);
    CHECK(g.output(2) == 1);
}

TEST_CASE("an element that fails ends a rep call; the count says how many were done (TLFS 2.0a 4.2)", "[rep]")
{
    ThreeVps const g;
    g.taint_output();
    CHECK(g.indices({{1, 0}, {0, 0}, {3, 0}, {2, 0}}) == abi::result(Status::InvalidParameter, 2));
    CHECK(g.output(0) == 1);
    CHECK(g.output(1) == 0);
    CHECK(g.output(2) == 0xEEEE'EEEE);
    CHECK(g.indices({{1, 0}, {0, 0}, {3, 0}, {2, 0}}, 1) == abi::result(Status::InvalidParameter, 2));
    CHECK(g.indices({{3, 0}}) == abi::result(Status::InvalidParameter, 0));
}

TEST_CASE("rep count and start index: a start must be below the count (TLFS 2.0a 4.7, 4.11.3)", "[rep]")
{
    ThreeVps const g;
    auto const refused = abi::result(Status::InvalidHypercallInput);
    CHECK(g.raw(code, place::input, place::output) == refused);
    CHECK(g.raw(code | reps(0, 1), place::input, place::output) == refused);
    CHECK(g.raw(code | reps(1, 1), place::input, place::output) == refused);
    CHECK(g.raw(code | reps(3, 4), place::input, place::output) == refused);
    CHECK(g.raw(code | reps(3, 0xFFF), place::input, place::output) == refused);
}

TEST_CASE("reserved bits and a variable header are refused in a rep call (TLFS 2.0a 4.7; newest)", "[rep]")
{
    ThreeVps const g;
    for (auto const& call : call_table()) {
        if (call.kind != CallInfo::Kind::Rep) continue;
        for (unsigned bit = 17; bit < 64; ++bit) {
            bool const rep_field = (bit >= 32 && bit < 44) || (bit >= 48 && bit < 60);
            if (rep_field) continue;
            INFO(call.name << " bit " << bit);
            auto const control = static_cast<std::uint64_t>(call.code) | reps(1) | std::uint64_t{1} << bit;
            CHECK(g.raw(control, place::input, place::output) == abi::result(Status::InvalidHypercallInput));
        }
    }
}

TEST_CASE("the lists of a rep call: alignment, page crossing, bounds (TLFS 2.0a 4.6, 4.11.3)", "[rep]")
{
    ThreeVps const g;
    auto const status = [&](std::uint64_t count, std::uint64_t in, std::uint64_t out, std::uint64_t start = 0) {
        return status_of(g.raw(code | reps(count, start), in, out));
    };
    constexpr auto outside = TestGuest::pages * page_size;
    REQUIRE(g.guest.memory.write(Gpa{place::input}, self)); // and the list is zeros: APIC ID 0
    CHECK(status(510, place::input, place::output) == Status::Success);
    CHECK(status(511, place::input, place::output) == Status::InvalidAlignment); // 16 + 511 * 8 > 4096
    CHECK(status(4095, place::input, place::output) == Status::InvalidAlignment);
    CHECK(status(4095, place::input, place::output, 4094) == Status::InvalidAlignment); // all of the list counts
    CHECK(status(1, place::input + 4, place::output) == Status::InvalidAlignment);
    CHECK(status(1, place::input, place::output + 1) == Status::InvalidAlignment);
    CHECK(status(1, outside, place::output) == Status::InvalidAlignment);
    CHECK(status(1, place::input, outside) == Status::InvalidAlignment);
    CHECK(status(1, ~std::uint64_t{7}, place::output) == Status::InvalidAlignment);

    REQUIRE(g.guest.memory.write(Gpa{place::input + page_size - 24}, self));
    CHECK(status(1, place::input + page_size - 24, place::output) == Status::Success);
    CHECK(status(2, place::input + page_size - 24, place::output) == Status::InvalidAlignment);
    CHECK(status(1, place::input, place::output + page_size - 8) == Status::Success);
    CHECK(status(2, place::input, place::output + page_size - 8) == Status::InvalidAlignment);
}

TEST_CASE("a rep call with output is not fast (TLFS 2.0a 4.7, newest: XMM output is not offered)", "[rep]")
{
    ThreeVps const g;
    CHECK(status_of(g.raw(code | fast | reps(1), self_partition.value, 0)) == Status::InvalidHypercallInput);
}

TEST_CASE("HvGetVpIndexFromApicId: every documented status (TLFS 6.0b 7.10.4)", "[rep]")
{
    ThreeVps const g;
    CHECK(status_of(g.indices({{0, 0}}, 0, {g.guest.partition->id().value, 0, {}})) == Status::Success);
    CHECK(status_of(g.indices({{0, 0}}, 0, {self_partition.value, 0, {1, 2, 3, 4, 5, 6, 7}})) == Status::Success);
    CHECK(status_of(g.indices({{0, 0}}, 0, {self_partition.value, 1, {}})) == Status::InvalidVtlState);
    CHECK(status_of(g.indices({{0, 0}}, 0, {999, 0, {}})) == Status::InvalidPartitionId);
    CHECK(status_of(g.indices({{0xFFFF'FFFF, 0}})) == Status::InvalidParameter);

    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 4, parent.partition->id()};
    auto const ask = [&](TestGuest const& caller, std::uint64_t partition) {
        return status_of(rep_call(caller, CallCode::GetVpIndexFromApicId,
                                  abi::GetVpIndexFromApicIdInput{partition, 0, {}},
                                  std::vector<ApicIdElement>{{3, 0}}));
    };
    auto const child_id = child.partition->id().value;
    CHECK(ask(parent, child_id) == Status::Success);
    CHECK(output_element<VpIndexElement>(parent, 0).vp_index == 3);
    CHECK(ask(child, self_partition.value) == Status::Success); // AccessVpIndex is everybody's
    CHECK(ask(child, parent.partition->id().value) == Status::AccessDenied);
    child.partition->set_active(false);
    CHECK(ask(parent, child_id) == Status::InvalidPartitionState);

    auto rights = Rights::root();
    rights.set(Privilege::AccessVpIndex, false);
    ThreeVps const denied{rights};
    CHECK(denied.indices({{0, 0}}) == abi::result(Status::AccessDenied, 0));
    CHECK(denied.indices({{0, 0}, {1, 0}}, 1) == abi::result(Status::AccessDenied, 1)); // what was done stays done
    CHECK(status_of(denied.indices({{0, 0}}, 0, {999, 0, {}})) == Status::AccessDenied);
}
