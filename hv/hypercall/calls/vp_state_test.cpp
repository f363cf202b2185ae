/// HvCallGetVpState, HvCallSetVpState, as Linux makes them (include/hyperv/hvhdk.h).
#include "hv/abi/msr.hpp"
#include "hv/abi/vp_state.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/family.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::RegisterName;
using abi::VpStateType;

namespace {

constexpr auto page = Family::free_page;
constexpr std::uint64_t childs_simp = 3;

/// A child with one VP, which may have a SynIC and timers, and four pages of memory.
struct Saved : Family {
    Saved() : Family{abi::creation_flag::local_apic, {3, 4}, features}, ram{TestGuest::map_ram()}
    {
        REQUIRE(parent.create_vp(id, 0) == Status::Success);
        parent.host.last->ram.add({Gpa{0}, 4 * page_size, ram.get()});
        parent.host.last->shown =
            processor().leaves = {{0xD, 0, true, {7, 0, 0, 0}}, {0xD, 2, true, {256, 576, 0, 0}}};
        processor().apic.emplace();
    }

    static constexpr std::uint64_t features = 1U << 4 | 1U << 5; // SynIC, timers

    [[nodiscard]] Status made(CallCode code, abi::VpStateInput const& in, std::vector<std::uint64_t> const& words,
                              std::uint64_t output = place::output) const
    {
        REQUIRE(parent.guest.memory.write(Gpa{place::input}, in));
        std::ranges::copy(std::as_bytes(std::span{words}), parent.guest.ram.get() + place::input + sizeof in);
        auto const control = static_cast<std::uint64_t>(code) | words.size() << 17;
        return status_of(dispatch(parent.guest.vp(), {{control}, place::input, output}));
    }
    [[nodiscard]] abi::VpStateInput what(VpStateType type, std::uint64_t states = 0) const
    {
        return {id, 0, 0, {}, type, 0, 0, states};
    }
    [[nodiscard]] Status get(VpStateType type, std::vector<std::uint64_t> const& pages = {page}) const
    {
        return made(CallCode::GetVpState, what(type, 7), pages);
    }
    [[nodiscard]] Status set(VpStateType type, std::vector<std::uint64_t> const& words = {page}) const
    {
        return made(CallCode::SetVpState, what(type, 7), words);
    }
    template <typename T>
    void put(T const& value) const
    {
        std::memcpy(parent.guest.ram.get() + page * page_size, &value, sizeof value);
    }

    std::unique_ptr<std::byte[], TestGuest::FreeRam> ram;
};

} // namespace

TEST_CASE("a local APIC's state lies in a page of the parent's (Linux, hvhdk.h)", "[children][state]")
{
    Saved const family;
    auto& apic = *family.processor().apic;
    apic[0x350] = std::byte{0x12};
    std::memset(family.parent.guest.ram.get() + page * page_size, 0xEE, page_size);
    CHECK(family.get(VpStateType::LocalApic) == Status::Success);
    auto state = family.at<abi::LocalApicState>(page);
    CHECK(state.lint0 == 0x12);
    CHECK(family.at<std::array<std::byte, page_size>>(page).back() == std::byte{}); // zeroes behind it
    state.lint0 = 0x700;
    family.put(state);
    CHECK(family.set(VpStateType::LocalApic) == Status::Success);
    CHECK(apic[0x351] == std::byte{7});
    state.id = 5;
    family.put(state);
    CHECK(family.set(VpStateType::LocalApic) == Status::InvalidParameter); // its ID is its index
    family.put(abi::LocalApicState{});
    family.processor().takes_state = false;
    CHECK(family.set(VpStateType::LocalApic) == Status::InvalidRegisterValue);
    family.processor().apic.reset();
    CHECK(family.get(VpStateType::LocalApic) == Status::InvalidParameter);
    CHECK(family.set(VpStateType::LocalApic) == Status::InvalidParameter);
}

TEST_CASE("XSAVE's area, of the components that are asked for (Linux, hvhdk.h)", "[children][state]")
{
    Saved const family;
    auto& area = family.processor().xsave;
    area[512] = std::byte{7};
    area[576] = std::byte{0x55};
    CHECK(family.get(VpStateType::Xsave) == Status::Success);
    CHECK(family.at<std::array<std::byte, 1024>>(page)[576] == std::byte{0x55});
    CHECK(family.at<std::array<std::byte, 1024>>(page)[527] == std::byte{0x80}); // compacted
    area.assign(most_xsave_bytes, std::byte{});
    CHECK(family.set(VpStateType::Xsave) == Status::Success);
    CHECK(area[576] == std::byte{0x55});
    CHECK(area[527] == std::byte{});
    CHECK(family.made(CallCode::GetVpState, family.what(VpStateType::Xsave, 8), {page}) == Status::InvalidParameter);
    auto flags = family.what(VpStateType::Xsave, 7);
    flags.xsave_flags = 1;
    CHECK(family.made(CallCode::GetVpState, flags, {page}) == Status::InvalidParameter);
    CHECK(family.made(CallCode::SetVpState, flags, {page}) == Status::InvalidParameter);
    family.put(std::array<std::uint64_t, 72>{[] {
        std::array<std::uint64_t, 72> bad{};
        bad[65] = 1; // XCOMP_BV
        return bad;
    }()});
    CHECK(family.set(VpStateType::Xsave) == Status::InvalidParameter);
    family.put(std::array<std::uint64_t, 72>{});
    family.processor().takes_state = false;
    CHECK(family.set(VpStateType::Xsave) == Status::InvalidRegisterValue);
    CHECK(family.get(VpStateType::Xsave) == Status::InvalidVpState);

    auto const property = [&](abi::PartitionProperty code) { return family.parent.property(family.id, code); };
    CHECK(property(abi::PartitionProperty::XsaveStates) == 7);
    CHECK(property(abi::PartitionProperty::MaxXsaveDataSize) == 576 + 256);
}

TEST_CASE("the SynIC's pages, where the child has them (Linux, hvhdk.h)", "[children][state]")
{
    Saved const family;
    family.put(std::uint64_t{0x77});
    CHECK(family.get(VpStateType::MessagePage) == Status::Success);
    CHECK(family.at<std::uint64_t>(page) == 0); // it is nowhere
    CHECK(family.set(VpStateType::MessagePage) == Status::Success);
    family.put(std::uint64_t{0x77});
    CHECK(family.set(VpStateType::MessagePage) == Status::InvalidVpState);
    CHECK(family.Family::set(family.id, 0, RegisterName::Simp, childs_simp << 12 | 1) == Status::Success);
    CHECK(family.set(VpStateType::MessagePage) == Status::Success);
    CHECK(family.ram[childs_simp * page_size] == std::byte{0x77});
    family.put(std::uint64_t{0});
    CHECK(family.get(VpStateType::MessagePage) == Status::Success);
    CHECK(family.at<std::uint64_t>(page) == 0x77);
    CHECK(family.get(VpStateType::EventFlagsPage) == Status::Success);
    CHECK(family.at<std::uint64_t>(page) == 0);
}

TEST_CASE("synthetic timers lie behind the header, and in the output (Linux, hvhdk.h)", "[children][state]")
{
    Saved const family;
    abi::SyntheticTimersState state{};
    state.timers[2].config = std::uint64_t{3} << 16 | 2; // periodic, SINT3
    state.timers[2].count = 5000;
    std::vector<std::uint64_t> words(sizeof state / 8);
    std::memcpy(words.data(), &state, sizeof state);
    CHECK(family.set(VpStateType::SyntheticTimers, words) == Status::Success);
    CHECK(family.get(VpStateType::SyntheticTimers, {}) == Status::Success);
    auto const got = output_element<abi::SyntheticTimersState>(family.parent.guest, 0);
    CHECK(got.timers[2].count == 5000);
    CHECK((got.timers[2].config & ~std::uint64_t{1}) == state.timers[2].config);
    CHECK(got.timers[0].config == 0);
    words.pop_back();
    CHECK(family.set(VpStateType::SyntheticTimers, words) == Status::InvalidParameter);
}

TEST_CASE("a VP's state: every other status (Linux, hvhdk.h)", "[children][state]")
{
    Saved const family;
    for (auto const code : {CallCode::GetVpState, CallCode::SetVpState}) {
        auto const with = [&](auto const& change, std::vector<std::uint64_t> const& pages = {page}) {
            auto in = family.what(VpStateType::LocalApic);
            change(in);
            return family.made(code, in, pages);
        };
        using In = abi::VpStateInput;
        family.put(state_of(*family.processor().apic));
        CHECK(with([](In&) {}) == Status::Success);
        CHECK(with([](In& in) { in.type = static_cast<VpStateType>(5); }) == Status::InvalidParameter);
        CHECK(with([](In& in) { in.input_vtl = 0x11; }) == Status::InvalidParameter);
        CHECK(with([](In& in) { in.reserved0[1] = 1; }) == Status::InvalidParameter);
        CHECK(with([](In& in) { in.reserved1 = 1; }) == Status::InvalidParameter);
        CHECK(with([](In& in) { in.vp_index = 1; }) == Status::InvalidVpIndex);
        CHECK(with([](In& in) { in.partition = self_partition.value; }) == Status::AccessDenied);
        CHECK(with([](In& in) { in.partition = 999; }) == Status::InvalidPartitionId);
        CHECK(with([](In&) {}, {}) == Status::InvalidParameter);
        CHECK(with([](In&) {}, {TestGuest::pages}) == Status::InvalidParameter);
        CHECK(with([](In&) {}, {0x10}) == Status::InvalidParameter); // deposited
        CHECK(with([](In&) {}, {~std::uint64_t{0}}) == Status::InvalidParameter);
    }
    CHECK(family.made(CallCode::GetVpState, family.what(VpStateType::LocalApic), {page}, 0x7F'FFFF'F000) ==
          Status::InvalidAlignment);
}
