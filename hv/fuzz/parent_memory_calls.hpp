/// Calls about the memory, the state and the processors of children. Behind the child and the number of the call:
///
///   0 MapSparseGpaPages: rights (modulo three), a length, and for each element the child's page and its own
///   1 ModifySparseGpaPages: rights, a length, and for each element the child's page
///   2 GetVpState, 3 SetVpState: a VP, which state (modulo seven), components, a length, words
///   4 MapVpStatePage, 5 UnmapVpStatePage: a VP, which (bit 0), a page
///   6 MapStatsPage2, 7 UnmapStatsPage: of the guest itself (bit 0), of a VP (bit 1), of the other area (bit 2), a
///   VP,
///     a page
///   8 TranslateVirtualAddress, and …Ex: a VP, flags, a page
///   9 ReadGpa, 10 WriteGpa: a VP, a size, an address, bytes
///   11 RegisterInterceptResult, 12 UnregisterInterceptResult: a VP, a type, words
///   13 GetVpCpuidValues: a VP, flags, a length, and for each element a leaf and an index
///   14 GetGpaPagesAccessStates: flags, a page, a length
#pragma once

#include "hv/abi/child.hpp"
#include "hv/abi/child_access.hpp"
#include "hv/abi/intercept_result.hpp"
#include "hv/abi/stats.hpp"
#include "hv/abi/vp_state.hpp"
#include "hv/fuzz/parent_call.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

namespace hv::fuzz {

class ParentMemoryCall : ParentCall {
  public:
    using ParentCall::ParentCall;

    void make(unsigned which)
    {
        using Step = void (ParentMemoryCall::*)();
        constexpr std::array<Step, 15> steps{
            &ParentMemoryCall::map_sparse,    &ParentMemoryCall::modify_sparse, &ParentMemoryCall::get_state,
            &ParentMemoryCall::set_state,     &ParentMemoryCall::show_page,     &ParentMemoryCall::hide_page,
            &ParentMemoryCall::map_stats,     &ParentMemoryCall::unmap_stats,   &ParentMemoryCall::translate,
            &ParentMemoryCall::read,          &ParentMemoryCall::write,         &ParentMemoryCall::register_result,
            &ParentMemoryCall::forget_result, &ParentMemoryCall::cpuid_values,  &ParentMemoryCall::access_states};
        (this->*steps[which % steps.size()])();
    }

  private:
    static constexpr std::array<std::uint32_t, 3> rights{abi::map_flag::no_access, abi::map_flag::readable,
                                                         abi::map_flag::readable | abi::map_flag::writable};

    void map_sparse()
    {
        auto const access = input_.below(3);
        std::vector<abi::GpaMapping> pages(1 + input_.below(8));
        for (auto& page : pages)
            page = {input_.byte(), input_.below(0x44)};
        auto const result = testing::rep_call(guest_, abi::CallCode::MapSparseGpaPages,
                                              abi::SparseGpaPagesInput{id_, rights[access], 0}, pages);
        if (!child_) return settle(testing::status_of(result));
        std::size_t done = 0;
        auto expected = Status::Success;
        for (; done < pages.size(); ++done) {
            expected =
                map_pages(seat_, *child_, pages[done].target, {pages[done].source}, static_cast<GpaAccess>(access));
            if (expected != Status::Success) break;
        }
        require(result == abi::result(expected, done), "pages are mapped one after the other");
    }

    void modify_sparse()
    {
        auto const access = static_cast<GpaAccess>(input_.below(3));
        std::vector<std::uint64_t> pages(1 + input_.below(8));
        for (auto& page : pages)
            page = input_.byte();
        auto const flags = rights[static_cast<std::size_t>(access)];
        auto const result = testing::rep_call(guest_, abi::CallCode::ModifySparseGpaPages,
                                              abi::SparseGpaPagesInput{id_, flags, 0}, pages);
        if (!child_) return settle(testing::status_of(result));
        std::size_t done = 0;
        auto expected = Status::Success;
        for (; done < pages.size(); ++done) {
            expected = change_one(pages[done], access);
            if (expected != Status::Success) break;
        }
        require(result == abi::result(expected, done), "rights change where a page is, one after the other");
    }

    [[nodiscard]] Status change_one(std::uint64_t page, GpaAccess access) const
    {
        if (!is_active()) return Status::InvalidPartitionState;
        auto const run = child_->map.find(page);
        bool const grants = access != GpaAccess::None;
        if (!run || (grants && run->access == GpaAccess::None)) return Status::InvalidParameter;
        return map_pages(seat_, *child_, page, {grants ? run->source + (page - run->page) : 0}, access);
    }

    [[nodiscard]] abi::VpStateInput state_named()
    {
        auto const index = vp();
        auto const type = input_.below(7);
        constexpr std::uint32_t in_pages = 0x8000'0000;
        return {id_, index,         0, {}, static_cast<abi::VpStateType>(type == 4 ? type : in_pages | type), 0,
                0,   input_.value()};
    }
    template <typename Word>
    [[nodiscard]] Status about_state(abi::CallCode code, abi::VpStateInput const& header,
                                     std::vector<Word> const& list)
    {
        (void)guest_.memory.write(Gpa{testing::place::input}, header);
        std::ranges::copy(std::as_bytes(std::span{list}), guest_.ram.get() + testing::place::input + sizeof header);
        auto const control = static_cast<std::uint64_t>(code) | list.size() << 17;
        return testing::status_of(dispatch(guest_.vp(), {{control}, testing::place::input, testing::place::output}));
    }
    void get_state()
    {
        auto const header = state_named();
        settle(about_state(abi::CallCode::GetVpState, header, words()));
    }
    void set_state()
    {
        auto const header = state_named();
        settle(about_state(abi::CallCode::SetVpState, header, words()));
    }

    void show_page()
    {
        auto const index = vp();
        auto const type = static_cast<abi::VpStatePage>(input_.byte() & 1U);
        auto const page = 0x10 + std::uint64_t{input_.below(0x34)};
        auto const status =
            with_output(abi::CallCode::MapVpStatePage, abi::MapVpStatePageInput{id_, index, type, 0, 1, page});
        settle(status);
        if (status != Status::Success) return;
        require(child_->vps.contains(index) && is_ram(seat_, page), "a state page is a VP's, and over RAM");
        bool const is_new = seat_.overlays.emplace(Seat::state_page(id_, index, type), page).second;
        require(is_new, "a state page is at one place");
    }
    void hide_page()
    {
        auto const index = vp();
        auto const type = static_cast<abi::VpStatePage>(input_.byte() & 1U);
        auto const status = testing::call(guest_, abi::CallCode::UnmapVpStatePage,
                                          abi::UnmapVpStatePageInput{id_, index, type, 0, 0});
        settle(status);
        bool const was_there = seat_.overlays.erase(Seat::state_page(id_, index, type)) != 0;
        require(was_there == (status == Status::Success), "a state page is hidden that was shown");
    }

    [[nodiscard]] abi::UnmapStatsPageInput object_named()
    {
        auto const what = input_.byte();
        bool const of_vp = (what & 2) != 0;
        auto const index = vp();
        auto const who = (what & 1) != 0 ? self_partition.value : id_;
        return {of_vp ? abi::StatsObject::Vp : abi::StatsObject::Partition,
                0,
                {who, of_vp ? index : 0, 0, 0, static_cast<std::uint8_t>(what >> 2 & 1)}};
    }
    void map_stats()
    {
        auto const what = object_named();
        auto const page = 0x10 + std::uint64_t{input_.below(0x34)};
        auto const status = with_output(abi::CallCode::MapStatsPage2, abi::MapStatsPageInput{what, page});
        if (what.identity.partition == id_) settle(status);
        if (status != Status::Success) return;
        require(is_ram(seat_, page), "a statistics page lies over RAM");
        bool const is_new = seat_.overlays.emplace(Seat::stats_page(what), page).second;
        require(is_new, "a statistics page is at one place");
    }
    void unmap_stats()
    {
        auto const what = object_named();
        auto const status = testing::call(guest_, abi::CallCode::UnmapStatsPage, what);
        if (what.identity.partition == id_) settle(status);
        if (status != Status::Success) return;
        require(seat_.overlays.erase(Seat::stats_page(what)) != 0, "a statistics page is unmapped that was mapped");
    }

    void translate()
    {
        auto const index = vp();
        auto const flags = input_.value();
        abi::TranslateVirtualAddressInput const in{id_, index, 0, flags, input_.value()};
        auto const status = with_output(abi::CallCode::TranslateVirtualAddress, in);
        settle(status);
        require(with_output(abi::CallCode::TranslateVirtualAddressEx, in) == status, "both calls are the same");
    }

    [[nodiscard]] abi::ReadGpaInput place_named()
    {
        auto const index = vp();
        auto const size = input_.below(18);
        return {id_, index, size, address(), {abi::CacheType::WriteBack, 0, 0, 0}};
    }
    /// nullptr when the child cannot do this there.
    [[nodiscard]] std::byte* childs(std::uint64_t gpa, GpaAccess access) const
    {
        auto const run = child_->map.find(gpa / page_size);
        if (!run || run->access < access) return nullptr;
        return guest_.ram.get() + (run->source + (gpa / page_size - run->page)) * page_size + gpa % page_size;
    }
    void read()
    {
        auto const in = place_named();
        auto const status = with_output(abi::CallCode::ReadGpa, in);
        settle(status);
        if (status != Status::Success) return;
        auto const out = testing::output_element<abi::ReadGpaOutput>(guest_, 0);
        auto const* const from = childs(in.gpa, GpaAccess::Read);
        require((out.result == abi::AccessGpaResult::Success) == (from != nullptr), "what is readable is read");
        auto const begin = reinterpret_cast<std::uintptr_t>(from);
        auto const output = reinterpret_cast<std::uintptr_t>(guest_.ram.get()) + testing::place::output;
        bool const overlaps = begin < output + sizeof out && output < begin + in.size; // changed since
        require(!from || overlaps || std::memcmp(out.data.data(), from, in.size) == 0,
                "it is what the child has there");
    }
    void write()
    {
        abi::WriteGpaInput in{place_named(), {}};
        auto const bytes = input_.bytes(in.data.size());
        std::ranges::copy(std::as_bytes(bytes), in.data.begin());
        auto const status = with_output(abi::CallCode::WriteGpa, in);
        settle(status);
        if (status != Status::Success) return;
        auto const out = testing::output_element<abi::WriteGpaOutput>(guest_, 0);
        bool const may = childs(in.where.gpa, GpaAccess::ReadWrite) != nullptr;
        require(out.result == abi::AccessGpaResult::Success ? may : true, "what is not writable is not written to");
    }

    template <typename In>
    void about_result(abi::CallCode code)
    {
        In in{};
        in.partition = id_;
        in.vp_index = vp();
        in.type = static_cast<abi::InterceptType>(input_.below(4));
        for (auto& parameter : in.parameters)
            parameter = static_cast<std::uint32_t>(input_.value());
        settle(testing::call(guest_, code, in));
    }
    void register_result()
    {
        about_result<abi::RegisterInterceptResultInput>(abi::CallCode::RegisterInterceptResult);
    }
    void forget_result()
    {
        about_result<abi::UnregisterInterceptResultInput>(abi::CallCode::UnregisterInterceptResult);
    }

    void cpuid_values()
    {
        auto const index = vp();
        auto const flags = static_cast<std::uint32_t>(input_.below(5));
        std::vector<abi::CpuidLeafInfo> leaves(1 + input_.below(6));
        for (auto& leaf : leaves) {
            leaf.function = static_cast<std::uint32_t>(input_.value());
            leaf.index = input_.byte();
        }
        settle(testing::status_of(testing::rep_call(guest_, abi::CallCode::GetVpCpuidValues,
                                                    abi::GetVpCpuidValuesInput{id_, index, flags, 0, 0}, leaves)));
    }

    void access_states()
    {
        auto const flags = std::uint64_t{input_.byte()} & 0x1F;
        auto const base = input_.value();
        auto const count = 1 + input_.below(200);
        settle(testing::status_of(without_list(abi::CallCode::GetGpaPagesAccessStates,
                                               abi::GetGpaPagesAccessStatesInput{id_, flags, base}, count)));
    }
};

} // namespace hv::fuzz
