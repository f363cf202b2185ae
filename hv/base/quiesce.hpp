/// How the parts of a machine that have threads, or work under way, come to rest together.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <utility>

namespace hv {

/// A part that was asked to come to rest keeps a copy for as long as something of it may still touch guest memory.
using StillBusy = std::shared_ptr<void const>;

/// `at_rest` is called once, when all copies are gone, on the thread that lets go of the last: perhaps with locks
/// held, so it only tells somebody. What it throws is lost.
[[nodiscard]] inline StillBusy call_when_at_rest(std::function<void()> at_rest)
{
    struct Call {
        explicit Call(std::function<void()> function) : call{std::move(function)} {}
        Call(Call const&) = delete;
        Call& operator=(Call const&) = delete;
        ~Call()
        {
            try {
                call();
            } catch (std::exception const&) { // whoever waits has a limit
            }
        }
        std::function<void()> call;
    };
    return std::make_shared<Call const>(std::move(at_rest));
}

} // namespace hv
