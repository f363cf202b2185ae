/// A conversation between a guest and a device that goes elsewhere in the middle of it: the guest is to hear what it
/// would have heard without that.
#pragma once

#include "hv/testing/catch.hpp"

#include <cstddef>
#include <functional>
#include <vector>

namespace hv::testing {

/// As the step to go elsewhere before: it stays.
inline constexpr std::size_t no_step = ~std::size_t{0};

template <typename What>
struct Heard {
    std::vector<What> all{};
    std::size_t steps = 0; ///< that the conversation had
};

/// Takes the steps, and calls `move` before that one. Returns how many steps there are.
template <typename Move>
std::size_t take_steps(std::vector<std::function<void()>> const& steps, std::size_t move_before, Move const& move)
{
    for (std::size_t step = 0; step < steps.size(); ++step) {
        if (step == move_before) move();
        steps[step]();
    }
    return steps.size();
}

/// `conversation` is called with the step to go elsewhere before, and returns what was Heard: at least `fewest`.
template <typename Conversation>
void check_moves_anywhere(Conversation const& conversation, std::size_t fewest)
{
    auto const alone = conversation(no_step);
    REQUIRE(alone.all.size() >= fewest);
    for (std::size_t step = 0; step < alone.steps; ++step) {
        CAPTURE(step);
        CHECK(conversation(step).all == alone.all);
    }
}

} // namespace hv::testing
