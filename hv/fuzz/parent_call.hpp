/// The calls about children of which fuzz_parents knows no more than what they may and may not change: each says
/// nothing of what is another guest's, does nothing to a child that is not active, and leaves alone what the model
/// follows.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/parent_model.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hv::fuzz {

/// One such call, of one guest and about one child.
class ParentCall {
  public:
    /// `child`: nullptr for one that is not the guest's, of which every call says `refused`.
    ParentCall(Seat& seat, std::uint64_t id, Model* child, Status refused, Input& input)
        : seat_{seat}, guest_{seat.parent->guest}, id_{id}, child_{child}, input_{input}, refused_{refused}
    {}

  protected:
    [[nodiscard]] bool is_active() const { return child_ && child_->stage == Model::Stage::Active; }

    /// Of a call that only an active child of one's own takes.
    void settle(Status status) const
    {
        if (!child_) return require(status == refused_, "others' children are not to be reached");
        if (!is_active()) require(status != Status::Success, "nothing is done to a child that is not active");
    }

    template <typename Header>
    [[nodiscard]] Status with_output(abi::CallCode code, Header const& header) const
    {
        (void)guest_.memory.write(Gpa{testing::place::input}, header);
        auto const control = static_cast<std::uint64_t>(code);
        return testing::status_of(dispatch(guest_.vp(), {{control}, testing::place::input, testing::place::output}));
    }
    template <typename Header>
    [[nodiscard]] std::uint64_t without_list(abi::CallCode code, Header const& header, std::uint64_t count) const
    {
        (void)guest_.memory.write(Gpa{testing::place::input}, header);
        auto const control = static_cast<std::uint64_t>(code) | testing::reps(count);
        return dispatch(guest_.vp(), {{control}, testing::place::input, testing::place::output});
    }

    [[nodiscard]] std::uint32_t vp() { return input_.byte() & 7U; }
    [[nodiscard]] std::uint64_t address()
    {
        return std::uint64_t{input_.below(0x44)} * page_size + input_.byte() * 17U;
    }
    [[nodiscard]] std::vector<std::uint64_t> words()
    {
        std::vector<std::uint64_t> out(input_.below(28));
        for (auto& word : out)
            word = input_.value();
        return out;
    }

    Seat& seat_;
    TestGuest const& guest_;
    std::uint64_t const id_;
    Model* const child_;
    Input& input_;

  private:
    Status const refused_;
};

} // namespace hv::fuzz
